"""docs/walkthrough.md is a real run: its commands run in order and print the documented output."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from tests.programs import releases
from tests.support.git import git
from tests.support.projects import environment
from tests.support.template import ROOT

pytestmark = pytest.mark.agent

TEXT = (ROOT / "docs" / "walkthrough.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", TEXT, re.MULTILINE | re.DOTALL)
ADDRESS = "/path/to/copier-twelve-factor-agent"
NEWEST = Version("1.1.0")  # at the time of writing
NEEDS_TRUST = 4  # Copier's exit code without `--trust`


def pattern(expected: str) -> str:
    """Return a pattern of a block, in which `…` matches anything."""
    return ".*".join(re.escape(part.strip("\n")) for part in expected.split("…"))


def test_the_walkthrough_is_a_real_run(tmp_path: Path) -> None:
    releases.require_history()
    template = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(template))
    releases.tag(template)
    later = [release.version for release in releases.releases() if release.order > NEWEST]
    git(template, "tag", "--delete", *later)
    directory, cwd = tmp_path, tmp_path / "cwd"
    assert len(BLOCKS) == TEXT.count("```sh\n")
    for script, expected in BLOCKS:
        commands = script.replace(ADDRESS, str(template)).replace("uvx copier", f"{sys.executable} -m copier")
        ran = subprocess.run(
            ["bash", "-e", "-u", "-o", "pipefail", "-c", f"trap 'pwd > {cwd}' EXIT\n{commands}"],
            cwd=directory,
            env=environment() | {"COLUMNS": "240"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        directory = Path(cwd.read_text("utf-8").strip())
        wanted = NEEDS_TRUST if "unsafe feature" in expected else 1 if "1 of 7" in expected else 0
        assert ran.returncode == wanted, f"{script}\n{ran.stdout}"
        assert re.search(pattern(expected), ran.stdout, re.DOTALL), f"{script}\nprints\n{ran.stdout}"
    assert "SESSION_RETENTION_DAYS=365" in (tmp_path / "order-desk" / ".env").read_text("utf-8")
    assert git(tmp_path / "order-desk", "status", "--porcelain") == ""
