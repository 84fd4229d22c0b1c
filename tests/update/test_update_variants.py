"""An update of an unchanged project equals a fresh copy of the new version, for every variant."""

from __future__ import annotations

import ast
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import releases
from tests.support import variants
from tests.support.git import commit, git
from tests.support.projects import each_row
from tests.support.template import FILES, README, answers, config, render, rendered_files
from tests.support.updating import offered, owned, update

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.update

ROWS = variants.rows()
NEXT = dict(zip(ROWS, [*list(ROWS)[1:], *ROWS], strict=False))
RELEASES = [release.version for release in releases.releases()]
OLDER = f"{RELEASES[-1]}.1"  # a release of these tests
BRIEFLY = {"1.0.0", "2.0.1", "2.3.0"}  # `make rest` updates from these, `make once` from all


@pytest.fixture(scope="session")
def history(copier_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with one more release, from which the working tree differs in every way that a file can."""
    template = shutil.copytree(copier_template, tmp_path_factory.mktemp("history") / "template", symlinks=True)
    newest, branch = git(template, "rev-parse", "HEAD"), git(template, "branch", "--show-current")
    git(template, "checkout", "--quiet", "--orphan", "older")
    files = template / FILES.name
    (files / "gone.txt").write_text("gone\n", "utf-8")
    (files / "{% if task_queue == 'celery' %}gone-celery.txt{% endif %}").write_text("gone\n", "utf-8")
    (files / "docs" / "api.md").unlink()
    (files / "docs" / "settings.md.jinja").rename(files / "docs" / "configuration.md.jinja")
    (files / "migrations" / "script.py.mako").chmod(0o755)
    for name in (
        README,
        "pyproject.toml.jinja",
        "src/{{ package_name }}/app.py.jinja",
        "{% if rules_language == 'en' %}rules{% endif %}/CHANGELOG.md",
    ):
        lines = (files / name).read_text("utf-8").splitlines(keepends=True)
        (files / name).write_text("".join([*lines[:5], lines[5], *lines[7:], "# older\n"]), "utf-8")
    commit(template, OLDER)
    git(template, "tag", OLDER)
    git(template, "checkout", "--quiet", "--force", branch)
    assert git(template, "rev-parse", "HEAD") == newest
    return template


def contents(project: Path, mine: bool) -> dict[str, tuple[int, bytes]]:
    """Return the mode and bytes of the user's files, or of all others."""
    paths = owned(config()["_skip_if_exists"], answers(project))
    found = {}
    for path in rendered_files(project):
        name = path.relative_to(project).as_posix()
        is_mine = any(name == start or name.startswith(f"{start}/") for start in paths)
        if is_mine == mine and not name.startswith(".git/"):
            found[name] = (path.stat().st_mode & 0o777, path.read_bytes())
    return found


def scaffold(template: Path, target: Path, given: Mapping[str, Any], version: str) -> Path:
    project = render(template, target, offered(template, version, given), vcs_ref=version)
    commit(project, "Scaffold")
    return project


def equals_a_fresh_copy(project: Path, template: Path, fresh: Path) -> None:
    given = {name: value for name, value in answers(project).items() if not name.startswith("_")}
    render(template, fresh, given, vcs_ref=releases.following())
    updated, copied = contents(project, mine=False), contents(fresh, mine=False)
    assert updated.keys() == copied.keys()
    assert [name for name in copied if updated[name] != copied[name]] == []


def keeps(now: tuple[int, bytes], before: tuple[int, bytes], name: str) -> bool:
    """Whether an owner's file is as before; hooks rewrite imports, and add to `agent/exports.py` of old projects."""
    if not name.endswith(".py"):
        return now == before
    rest = iter(statements(now[1]))
    return now[0] == before[0] and all(statement in rest for statement in statements(before[1]))


def statements(source: bytes) -> list[str]:
    """Return each statement of a module without its imports, at every level."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for part in ("body", "orelse", "finalbody"):
            if isinstance(found := getattr(node, part, None), list):
                setattr(node, part, [each for each in found if not isinstance(each, ast.Import | ast.ImportFrom)])
    return [ast.unparse(each) for each in tree.body]


def updates_to_a_fresh_copy(row: str, version: str, template: Path, folder: Path) -> None:
    project = scaffold(template, folder / version, ROWS[row], version)
    mine = contents(project, mine=True)
    update(project, unsafe=True)  # releases may have hooks
    equals_a_fresh_copy(project, template, folder / f"fresh-{version}")
    now = contents(project, mine=True)
    assert now.keys() - mine.keys() <= {f"src/{answers(project)['package_name']}/agent/exports.py"}  # 1.x had none
    assert [name for name, before in mine.items() if name not in now or not keeps(now[name], before, name)] == []


@each_row
def test_an_update_equals_a_fresh_copy(row: str, history: Path, tmp_path: Path) -> None:
    """From the newest release, and from one that differs in every way."""
    releases.require_history()
    for version in (OLDER, RELEASES[-1]):
        updates_to_a_fresh_copy(row, version, history, tmp_path)


@pytest.mark.parametrize(
    "version",
    [pytest.param(version, marks=[] if version in BRIEFLY else pytest.mark.matrix) for version in RELEASES[:-1]],
)
def test_an_update_of_the_default_from_any_release_equals_a_fresh_copy(
    version: str, history: Path, tmp_path: Path
) -> None:
    releases.require_history()
    updates_to_a_fresh_copy("default", version, history, tmp_path)


@each_row
def test_an_update_with_other_answers_equals_a_fresh_copy(row: str, history: Path, tmp_path: Path) -> None:
    """Every option takes the answer of the next variant; names stay."""
    project = scaffold(history, tmp_path / "project", ROWS[row], OLDER)
    update(project, variants.answers_of(variants.row_of(ROWS[NEXT[row]])), unsafe=True)
    assert variants.row_of(answers(project)) == variants.row_of(ROWS[NEXT[row]])
    equals_a_fresh_copy(project, history, tmp_path / "fresh")
