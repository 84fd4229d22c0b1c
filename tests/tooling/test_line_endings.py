"""Clones with `core.autocrlf=true`, Git for Windows' default, keep LF, so that scripts run in WSL and containers."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.git import git
from tests.support.template import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

SCRIPTS = {"deploy/kubeconfig": [], "deploy/logging/setup": ["nothing"], "deploy/release": ["--help"]}


@pytest.fixture(scope="module")
def clones(render: Render, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Clones of a rendered project, by the value of `core.autocrlf`."""
    folder = tmp_path_factory.mktemp("clones")
    original = render()
    subprocess.run(["cp", "-r", str(original), str(folder / "original")], check=True)
    git(folder / "original", "init", "--quiet")
    git(folder / "original", "add", "--all")
    git(folder / "original", "commit", "--quiet", "--message", "Render")
    for autocrlf in ("true", "false"):
        git(folder, "clone", "--quiet", "--config", f"core.autocrlf={autocrlf}", "original", autocrlf)
    return {autocrlf: folder / autocrlf for autocrlf in ("true", "false")}


def test_no_file_of_a_project_gets_crlf(clones: dict[str, Path]) -> None:
    listed = git(clones["true"], "ls-files", "--eol")
    assert [line for line in listed.splitlines() if "w/crlf" in line or "w/mixed" in line] == []


def test_these_are_all_scripts_of_a_project(clones: dict[str, Path]) -> None:
    paths = git(clones["true"], "ls-files").splitlines()
    assert {path for path in paths if (clones["true"] / path).read_bytes().startswith(b"#!")} == SCRIPTS.keys()


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_run_from_each_clone(clones: dict[str, Path], script: str) -> None:
    outcomes = []
    for clone in clones.values():
        done = subprocess.run(
            [clone / script, *SCRIPTS[script]], cwd=clone, capture_output=True, text=True, timeout=60, check=False
        )
        outcomes.append((done.returncode, done.stdout, done.stderr.replace(str(clone), ".")))
    assert outcomes[0] == outcomes[1]
    assert "no such file" not in outcomes[0][2].lower()


def test_the_template_itself_keeps_lf() -> None:
    """Otherwise a project that is rendered from such a clone would have CRLF."""
    attributes = git(ROOT, "check-attr", "eol", "--", "template/Procfile.jinja", "copier.yml", "tests/programs/demo.py")
    assert {line.rpartition(": ")[2] for line in attributes.splitlines()} == {"lf"}
