"""Makes the one file from which Plekvrij is installed without a network: `python deploy/make_archive.py --out dist`.

It holds the wheels of the lock for this platform and Python, the script that installs them, units, examples and
checksums. With `--deb` also a Debian package that carries the same. Needs pip, a package index (or its cache), and for
the package `dpkg-deb`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What an administrator needs beside the program: in the repository -> in the archive.
BESIDE = {
    "deploy/install.sh": "install.sh",
    "deploy/nginx/plekvrij.conf": "nginx/plekvrij.conf",
    "deploy/plekvrij-site.service.d/broker.conf": "units/plekvrij-site.service.d/broker.conf",
    "deploy/mosquitto.service.d/plekvrij.conf": "units/mosquitto.service.d/plekvrij.conf",
    "examples/town_hall.plan.yaml": "examples/town_hall.plan.yaml",
    "examples/town_hall.policy.yaml": "examples/town_hall.policy.yaml",
    "CHANGELOG.md": "CHANGELOG.md",
    "LICENSE": "LICENSE",
}
_CONTROL = """Package: plekvrij
Version: {version}
Architecture: {architecture}
Maintainer: Plekvrij <plekvrij@localhost>
Depends: python3 (>= 3.11)
Recommends: mosquitto
Section: net
Priority: optional
Description: live workplace occupancy and fair desk hold times for hybrid town halls
 Installs itself into /opt/plekvrij from wheels that it carries; no network is needed.
"""
_POSTINST = """#!/bin/sh
set -e
for user in plekvrij plekvrij-enrol; do
  getent passwd $user >/dev/null || useradd --system --no-create-home --shell /usr/sbin/nologin $user
done
install -d -o plekvrij -m 0750 /var/lib/plekvrij
sh /usr/share/plekvrij/install.sh "${PLEKVRIJ_TARGET:-/opt/plekvrij}"
"""
_POSTRM = """#!/bin/sh
set -e
[ "$1" != purge ] && [ "$1" != remove ] || rm -rf /opt/plekvrij
"""


def version() -> str:
    """Return the version of this checkout."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def platform() -> str:
    """Return the platform and Python that the wheels are for, such as `linux-x86_64-cp311`."""
    return f"{sysconfig.get_platform()}-cp{sys.version_info.major}{sys.version_info.minor}"


def gather(folder: Path) -> None:
    """Put everything that the archive holds into `folder`."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    wheels = folder / "wheels"
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT)], check=True
    )
    own = next(wheels.glob("plekvrij-*.whl"))
    lock = ["--constraint", str(ROOT / "requirements.lock")]
    subprocess.run(
        [*pip, *lock, "--find-links", str(wheels), "--wheel-dir", str(wheels), str(own)], check=True
    )
    own_pip = f"pip=={importlib.metadata.version('pip')}"
    subprocess.run([*pip, "--no-deps", "--wheel-dir", str(wheels), own_pip], check=True)
    beside = BESIDE | {
        f"deploy/{unit.name}": f"units/{unit.name}"
        for unit in (ROOT / "deploy").glob("plekvrij-*.*")
        if unit.is_file()
    }
    for there, here in beside.items():
        (folder / here).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / there, folder / here)
    (folder / "VERSION").write_text(f"{version()}\n")
    (folder / "PLATFORM").write_text(f"{platform()}\n")
    sums = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder)}\n"
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    ]
    (folder / "SHA256SUMS").write_text("".join(sums))


def pack(folder: Path, out: Path) -> Path:
    """Return the archive of `folder` in `out`: the same content gives the same bytes."""
    name = f"plekvrij-{version()}"
    archive = out / f"{name}-{platform()}.tar"
    with tarfile.open(archive, "w") as tar:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                content = file.read_bytes()
                member = tarfile.TarInfo(f"{name}/{file.relative_to(folder)}")
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
    archive.with_name(f"{archive.name}.sha256").write_text(
        f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n"
    )
    return archive


def pack_deb(folder: Path, out: Path) -> Path:
    """Return a Debian package in `out` that carries what `folder` holds and installs it."""
    architecture = subprocess.run(
        ["/usr/bin/dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    package = out / f"plekvrij_{version()}_{architecture}.deb"
    with tempfile.TemporaryDirectory(dir=out) as name:
        tree = Path(name)
        tree.chmod(0o755)
        shutil.copytree(folder, tree / "usr" / "share" / "plekvrij")
        shutil.copytree(
            folder / "units", tree / "lib" / "systemd" / "system", ignore=shutil.ignore_patterns("*.d")
        )
        control = tree / "DEBIAN"
        control.mkdir()
        (control / "control").write_text(_CONTROL.format(version=version(), architecture=architecture))
        for script, text in (("postinst", _POSTINST), ("postrm", _POSTRM)):
            (control / script).write_text(text)
            (control / script).chmod(0o755)
        subprocess.run(
            ["/usr/bin/dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(package)],
            check=True, capture_output=True,
        )  # fmt: skip
    return package


def main() -> int:
    """Write the archive, its checksum and, if asked, the package; print their names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "dist", help="Folder for the files (default dist)."
    )
    parser.add_argument("--deb", action="store_true", help="Also make a Debian package.")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.out) as name:
        folder = Path(name)
        gather(folder)
        print(pack(folder, arguments.out))
        if arguments.deb:
            print(pack_deb(folder, arguments.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
