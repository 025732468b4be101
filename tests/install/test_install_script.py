"""The script in the archive: installs beside, switches over, goes back, and never switches to what does not work.

The archive here holds a program of ten lines; `make install-test` installs the real one.
"""

from __future__ import annotations

import ensurepip
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.install.conftest import ROOT

DEBIAN_WHEELS = Path("/usr/share/python-wheels")
_METADATA = "Metadata-Version: 2.1\nName: plekvrij\nVersion: {version}\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_PROGRAM = """import sys
def main():
    if sys.argv[1] == "check" and {version!r} == "3.0":
        sys.exit("does not work here")
    print({version!r})
"""


def archive(folder: Path, version: str) -> Path:
    """Make the unpacked archive of a release."""
    home = folder / f"plekvrij-{version}"
    (home / "wheels").mkdir(parents=True)
    info = f"plekvrij-{version}.dist-info"
    files = {
        "plekvrij_stub.py": _PROGRAM.format(version=version),
        f"{info}/METADATA": _METADATA.format(version=version),
        f"{info}/WHEEL": _WHEEL,
        f"{info}/entry_points.txt": "[console_scripts]\nplekvrij = plekvrij_stub:main\n",
    }
    with zipfile.ZipFile(home / "wheels" / f"plekvrij-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    shutil.copy(ROOT / "deploy" / "install.sh", home)
    # Debian keeps the wheel of pip elsewhere
    bundled = [*Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"), *DEBIAN_WHEELS.glob("pip-*.whl")]
    shutil.copy(bundled[0], home / "wheels")
    (home / "VERSION").write_text(f"{version}\n")
    (home / "PLATFORM").write_text("any\n")
    sums = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(home)}\n"
        for file in sorted(home.rglob("*"))
        if file.is_file()
    ]
    (home / "SHA256SUMS").write_text("".join(sums))
    return home


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", *map(str, words)], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere", "PYTHON": sys.executable},
    )  # fmt: skip


def in_use(target: Path) -> str:
    return subprocess.run(
        [str(target / "bin" / "plekvrij"), "version"], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_upgrade_and_back(tmp_path: Path) -> None:
    target = tmp_path / "opt"
    one, two, three = (archive(tmp_path, version) for version in ("1.0", "2.0", "3.0"))

    done = run(one / "install.sh", target)
    assert done.returncode == 0, done.stderr
    assert in_use(target) == "1.0"
    assert run(one / "install.sh", "--back", target).returncode == 1, "there is no version before it"

    (two / "wheels" / "plekvrij-2.0-py3-none-any.whl").open("ab").write(b"x")
    done = run(two / "install.sh", target)
    assert (done.returncode, "archive is damaged" in done.stderr) == (1, True)
    assert in_use(target) == "1.0"

    shutil.rmtree(two)
    done = run(archive(tmp_path, "2.0") / "install.sh", target)
    assert "before: 1.0" in done.stdout, done.stderr
    assert in_use(target) == "2.0"

    done = run(three / "install.sh", target)
    assert (done.returncode, "3.0 does not work on this machine" in done.stderr) == (1, True)
    assert in_use(target) == "2.0"

    assert run(one / "install.sh", "--back", target).returncode == 0
    assert in_use(target) == "1.0"
    assert run(one / "install.sh", "--back", target).returncode == 0, "and back again"
    assert in_use(target) == "2.0"
    assert sorted(file.name for file in (target / "versions").iterdir()) == ["1.0", "2.0"]
