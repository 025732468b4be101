"""The list of what a release is made of holds what the lock holds; an audit that could ask nothing is no good news."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = os.environ | {"VENV": str(Path(sys.executable).parent.parent)}

#: The tools bring a hundred packages: `make sbom` installs them, and PLEKVRIJ_LONG=1 does it here.
needs_tools = pytest.mark.skipif(
    not (ROOT / ".venv-release" / ".ready").exists() and not os.environ.get("PLEKVRIJ_LONG"),
    reason="the tools of a release are not installed: make sbom",
)


@needs_tools
def test_the_list_holds_what_the_lock_holds(tmp_path: Path) -> None:
    out = tmp_path / "plekvrij.cdx.json"
    environment = ENVIRONMENT | {"SBOM_CHECK": "--no-validate"}  # five seconds for what the library promises
    subprocess.run([ROOT / "deploy" / "sbom.sh", out], check=True, env=environment, capture_output=True)
    bom = json.loads(out.read_text("utf-8"))
    assert (bom["bomFormat"], bom["metadata"]["component"]["name"]) == ("CycloneDX", "plekvrij")
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pinned = {line.partition(";")[0].strip() for line in lines if line and not line.startswith("#")}
    assert {f"{one['name']}=={one['version']}" for one in bom["components"]} == pinned
    for one in bom["components"]:
        assert one["purl"].startswith("pkg:pypi/"), one


@needs_tools
def test_an_audit_without_a_network_says_so_and_fails(tmp_path: Path) -> None:
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    ran = subprocess.run(
        [ROOT / "deploy" / "audit.sh", "--cache-dir", tmp_path, "--timeout", "1"],
        env=ENVIRONMENT | nowhere, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "NOT AUDITED" in ran.stdout


def test_the_policy_names_no_person_and_no_address() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    assert not re.search(r"[\w.]+@[\w.]+", text)
    for word in ("report", "private", "Supported"):
        assert word in text
