"""Each running check of the rules fails on its planted violation, and no other check does."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from tests.rules import planted
from tests.rules.planted_running import ALONE, KEPT, RUNNING, Edit
from tests.rules.projects import checks, declared, installed, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

pytestmark = pytest.mark.xdist_group("rules")


@pytest.fixture(scope="module")
def project(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose files are changed and restored, since its environment runs them in place."""
    return installed(render(), tmp_path_factory.mktemp("running") / "project")


def test_every_running_check_has_a_planted_violation(render: Render) -> None:
    assert {name for name, running in declared(render()).items() if running} == RUNNING.keys()


def group_of(check: str) -> int:
    return RUNNING[check].group


GROUPS = {group: list(names) for group, names in groupby(sorted(RUNNING, key=group_of), key=group_of)}


@pytest.mark.mutation
@pytest.mark.parametrize("group", GROUPS)
def test_running_checks_find_only_their_violations(group: int, project: Path) -> None:
    """Static checks may find the same violation."""
    edits = {check: RUNNING[check] for check in GROUPS[group]}
    rules = sorted({edit.rule for edit in edits.values()}) if group in ALONE else []
    found = planted_and_run(project, edits, *(f"--rule={rule}" for rule in rules))
    broken = {name for name, check in found.items() if check["kind"] == "running" and check["violations"]}
    assert broken == edits.keys()
    for name in edits:
        [violation] = found[name]["violations"]
        lines = (project / violation["path"]).read_text("utf-8").splitlines()
        assert 1 <= violation["line"] <= len(lines), violation
        assert lines[violation["line"] - 1].strip(), violation
        assert "did not finish" not in violation["message"], "the message must explain the violation"
        assert found[name]["remedy"].endswith(".")


def planted_and_run(project: Path, edits: dict[str, Edit], *options: str) -> dict[str, dict[str, Any]]:
    """Run the checks with these violations in the project, then restore it."""
    before: dict[Path, str] = {}
    try:
        for check, edit in edits.items():
            path = project / (edit.file[1:] if edit.file.startswith("/") else f"{planted.PACKAGE}/{edit.file}")
            text = path.read_text("utf-8")
            before.setdefault(path, text)
            assert edit.old in text, f"{check}: {path} does not hold {edit.old!r}"
            path.write_text(text.replace(edit.old, edit.new), "utf-8")
        return checks(run(project, "--json", *options))
    finally:
        for path, text in before.items():
            path.write_text(text, "utf-8")
        (project / planted.PACKAGE / "services" / KEPT).unlink(missing_ok=True)
