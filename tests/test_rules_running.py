"""Each running check of the rules fails on the violation planted for it, and no other check of its rule does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import planted
import pytest
from planted_running import RUNNING
from test_rules import checks, installed, run

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Render

pytestmark = pytest.mark.xdist_group("rules")


@pytest.fixture(scope="module")
def project(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose files are changed and put back: its environment runs them where they are."""
    return installed(render(), tmp_path_factory.mktemp("running") / "project")


def test_every_running_check_has_a_violation_to_be_planted(render: Render) -> None:
    text = "\n".join(path.read_text("utf-8") for path in sorted((render() / "tests/rules").rglob("test_*.py")))
    found = re.findall(r"^@check\((.*?)^def test_(\w+)", text, re.MULTILINE | re.DOTALL)
    assert {name.replace("_", "-") for arguments, name in found if "at=(" in arguments} == RUNNING.keys()


@pytest.mark.matrix
@pytest.mark.mutation
@pytest.mark.parametrize("check", RUNNING)
def test_a_running_check_finds_its_violation(check: str, project: Path) -> None:
    edit = RUNNING[check]
    path = project / edit.file.removeprefix("/") if edit.file.startswith("/") else project / planted.PACKAGE / edit.file
    before = path.read_text("utf-8")
    assert edit.old in before, f"{path} does not hold {edit.old!r}"
    path.write_text(before.replace(edit.old, edit.new), "utf-8")
    try:
        found = checks(run(project, "--rule", str(edit.rule), "--json"))
    finally:
        path.write_text(before, "utf-8")
    assert [name for name, each in found.items() if each["violations"]] == [check]
    [violation] = found[check]["violations"]
    assert (project / violation["path"]).is_file()
    assert violation["message"]
    assert found[check]["remedy"]
