"""Updates from every release: an owner's work arrives at the new paths, and whole suites pass."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import product
from typing import TYPE_CHECKING

import pytest

import moves
from imports import module, relative
from rename_package import rename
from tests.programs import releases
from tests.support import variants
from tests.support.git import commit, git
from tests.support.projects import run, share
from tests.support.template import answers
from tests.support.template import render as render_template
from tests.support.updating import offered, unresolved, update

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

UNSHARED = ("tests/unit/test_", "tests/integration/test_")  # which no other test imports
RELEASES = [found.version for found in releases.releases()]


# --- What an owner may have done -----------------------------------------------------------------------------------


@dataclass
class Work:
    """An owner's work in and around files that move, and where each line of it has to be afterwards."""

    project: Path
    fresh: Path
    package: str
    places: dict[str, str] = field(default_factory=dict)
    kept: dict[str, list[str]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    clashing: str = ""

    def text(self, path: str) -> str:
        """A file of the project."""
        return (self.project / path).read_text("utf-8")

    def write(self, path: str, text: str) -> None:
        """Write a file of the project."""
        (self.project / path).parent.mkdir(parents=True, exist_ok=True)
        (self.project / path).write_text(text, "utf-8")

    def moved_modules(self) -> dict[str, str]:
        """The modules that move and have the same name for something before and after, which is given."""
        found = {}
        for source, target in self.places.items():
            if source.endswith(".py") and not source.endswith("__init__.py") and (self.project / source).exists():
                new = (self.fresh / target).read_text("utf-8")
                common = [name for name in top_names(self.text(source)) if name in top_names(new)]
                found[source] = common[0] if common else ""
        return found

    def edit_all(self) -> None:
        """A line in each file that moves, amid lines that stay; at the end where there are none."""
        for number, (source, target) in enumerate(self.places.items()):
            if not (self.project / source).is_file():
                continue
            lines = self.text(source).splitlines(keepends=True)
            new = (self.fresh / target).read_text("utf-8").splitlines(keepends=True)
            block = SequenceMatcher(None, lines, new, autojunk=False).find_longest_match()
            mine = f"# Line {number} of mine.\n"
            lines.insert(block.a + block.size // 2 if block.size > 8 else len(lines), mine)
            self.write(source, "".join(lines))
            self.kept.setdefault(target, []).append(mine)

    def use_all(self) -> None:
        """Imports of every module that moves, in every form, from each place where an owner has code."""
        places = [
            f"src/{self.package}/agent/uses.py",
            f"src/{self.package}/chat/mine.py",
            f"src/{self.package}/management/commands/mine.py",
            "tests/agent/test_uses.py",
            "tests/unit/test_mine.py",
        ]
        modules = self.moved_modules()
        for place in places:
            lines = []
            for number, (source, name) in enumerate(modules.items()):
                dotted = module(source)
                parent, _, leaf = dotted.rpartition(".")
                lines += [
                    f"import {dotted}",
                    f"import {dotted} as a{number}",
                    f"from {parent} import {leaf} as b{number}",
                ]
                near = relative(parent, module(place).rpartition(".")[0])
                lines += [f"from {near} import {leaf} as c{number}"] if near else []
                if name:
                    lines += [f"from {dotted} import {name} as d{number}", f"PATCHED_{number} = '{dotted}.{name}'"]
                    lines += [f"x{number} = {dotted}.{name}, a{number}.{name}, b{number}.{name}"]
            self.write(place, "\n".join(lines) + "\n")

    def take_away(self) -> None:
        """Delete a test that moves, rename another, and change a line that the template changed too."""
        targets = list(self.places.values())
        new = [target for target in targets if targets.count(target) == 1 and not (self.project / target).exists()]
        alone = [path for path, target in self.places.items() if target in new]
        tests = [path for path in alone if path.startswith(UNSHARED)]
        deleted, renamed, clashing = tests[0], tests[1], next(path for path in alone if self.clashes(path))
        (self.project / deleted).unlink()
        (self.project / renamed).rename(self.project / "tests" / "unit" / "test_renamed.py")
        self.absent = [deleted, self.places[deleted], renamed, self.places[renamed]]
        text = self.text(clashing)
        self.write(clashing, '"""Mine."""\n' + text.partition("\n")[2])
        self.clashing = self.places[clashing]
        for path in (deleted, renamed, clashing):
            self.places.pop(path)

    def clashes(self, path: str) -> bool:
        """Whether the template changed the first line."""
        if not path.startswith("src/") or not (self.project / path).exists():
            return False
        old, new = self.text(path), (self.fresh / self.places[path]).read_text("utf-8")
        return old.partition("\n")[0] != new.partition("\n")[0]


def top_names(text: str) -> list[str]:
    """The public names that a module defines."""
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.append(node.targets[0].id)
    return [name for name in found if not name.startswith("_")]


def scaffold(template: Path, folder: Path, archetype: str, version: str) -> Path:
    given = offered(template, version, variants.ARCHETYPES[archetype])
    project = render_template(template, folder / "project", given, vcs_ref=version)
    commit(project, "Scaffold")
    return project


def moves_after(version: str) -> list[str]:
    """The later releases in which files moved."""
    known = RELEASES[: RELEASES.index(version) + 1]
    return [later for later in moves.MOVES if later not in known]


def places_now(version: str, package: str) -> dict[str, str]:
    """Where the files of a release are that moved since."""
    places: dict[str, str] = {}
    for later in moves_after(version):
        files = moves.table(later, package).files
        moved = {source: target for target, sources in files.items() for source in sources}
        places = moved | {source: moved.get(target, target) for source, target in places.items()}
    return places


# The others run in `make once` and `make agent`.
ALWAYS = {("1.0.0", "company"), ("2.1.0", "minimal"), ("2.3.0", "default")}


@pytest.mark.update
@pytest.mark.parametrize(
    ("version", "archetype"),
    [
        pytest.param(*each, marks=[] if each in ALWAYS else pytest.mark.matrix)
        for each in product(filter(moves_after, RELEASES), variants.ARCHETYPES)
    ],
)
def test_an_owners_work_moves_along(
    version: str, archetype: str, copier_template: Path, render: Render, tmp_path: Path
) -> None:
    releases.require_history()
    project = scaffold(copier_template, tmp_path, archetype, version)
    package = answers(project)["package_name"]
    work = Work(project, render(**variants.ARCHETYPES[archetype]), package)
    work.places = {
        source: target
        for source, target in places_now(version, package).items()
        if source != target and (project / source).exists() and (work.fresh / target).exists()
    }
    assert len(work.places) > 50
    work.take_away()
    work.use_all()
    work.edit_all()
    commit(project, "Mine")
    update(project, unsafe=True)

    for target, mine in work.kept.items():
        assert [line for line in mine if line not in work.text(target)] == [], target
    assert [path for path in work.absent if (project / path).exists()] == []
    assert (project / "tests" / "unit" / "test_renamed.py").exists()
    conflicts = git(project, "diff", "--name-only", "--diff-filter=U").splitlines()
    assert work.clashing in conflicts
    text = work.text(work.clashing)
    assert text.index("<<<<<<< before updating\n") < text.index('"""Mine."""') < text.index(">>>>>>> after updating\n")
    assert list(project.rglob("*.rej")) == []
    for path in conflicts:  # the lines at the end of files in which no long passage stayed
        git(project, "checkout", "--theirs", "--", path)
    lost = unresolved(project, package)  # a test of the template's that is the owner's now may use its private names
    assert [line for line in lost if not line.startswith("tests/unit/test_renamed.py")] == []
    old = {module(source) for source in work.places if source.endswith(".py")}
    for path in (f"src/{package}/agent/uses.py", "tests/agent/test_uses.py", "tests/unit/test_mine.py"):
        left = [
            line
            for line in work.text(path).splitlines()
            if any(re.search(rf"(?<![\w.]){name}(?!\w)", line) for name in old)
        ]
        assert left == [], path


@pytest.mark.update
@pytest.mark.parametrize("archetype", variants.ARCHETYPES)
def test_an_untouched_project_with_another_package_name_is_a_fresh_copy(
    archetype: str, copier_template: Path, render: Render, tmp_path: Path
) -> None:
    project = scaffold(copier_template, tmp_path, archetype, releases.following())
    rename(project, "ticket_desk")
    fresh = render(**variants.ARCHETYPES[archetype], package_name="ticket_desk")
    names = {path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file()}
    assert set(git(project, "ls-files").splitlines()) == names
    assert [name for name in sorted(names) if (project / name).read_bytes() != (fresh / name).read_bytes()] == []


# --- Whole suites ---------------------------------------------------------------------------------------------------


# Apart from the owner's files, an updated project equals a fresh copy (test_update_variants.py), whose suite runs whole
# elsewhere. `make once` runs it whole here as well.
TOUCHED = (
    "--no-cov tests/unit tests/rules tests/integration/test_migrations.py tests/integration/test_personal_data.py"
    " tests/e2e/test_conversation.py"
)


@pytest.mark.agent
@pytest.mark.parametrize(
    ("version", "tests"),
    [("2.0.1", TOUCHED), *(pytest.param(version, "", marks=pytest.mark.matrix) for version in RELEASES)],
    ids=lambda value: "touched" if value == TOUCHED else value or "all",
)
def test_an_untouched_project_passes_everything_after_its_update(
    version: str, tests: str, copier_template: Path, tmp_path: Path
) -> None:
    releases.require_history()
    project = scaffold(copier_template, tmp_path, "default", version)
    update(project, unsafe=True)
    log = tmp_path / "log.txt"
    for command in (
        "uv lock --quiet",
        "uv sync --quiet",
        "uv run my-agent sync",
        "uv run ruff check",
        "uv run ruff format --check",
        "uv run lint-imports",
        f"uv run pytest {tests}",
    ):
        run(command, project, log, share())
