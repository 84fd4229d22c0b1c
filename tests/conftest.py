"""Fixtures that render the working tree, once per session and answers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.programs import releases
from tests.support import fast_copier, progress, summary
from tests.support.git import git
from tests.support.template import FILES, INCLUDED, ROOT, SUFFIX, asking, export, working_tree
from tests.support.template import render as render_template

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class Render(Protocol):
    """Renders the working tree with the given answers. Results are shared: do not modify them."""

    def __call__(self, **answers: Any) -> Path: ...  # noqa: ANN401


LONGEST = ("agent", "container", "mutation", "update")

fast_copier.install()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Print what is running."""
    progress.show(session.config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with tests that build, run or update a project, so that no processor waits for one at the end."""
    items.sort(
        key=lambda item: next((place for place, mark in enumerate(LONGEST) if mark in item.keywords), len(LONGEST))
    )


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the time of each stage of each variant."""
    summary.write(terminalreporter)


@pytest.fixture(scope="session", autouse=True)
def _environment() -> None:
    """Let commands in rendered projects use the projects' environments, not this one."""
    os.environ.pop("VIRTUAL_ENV", None)


@pytest.fixture(scope="session")
def copier_template(tmp_path_factory: pytest.TempPathFactory, default_gitconfig: object) -> Path:  # noqa: ARG001
    """The next release: a clone of the real history, then the working tree as one tagged commit.

    Replaces pytest-copier's fixture of this name, which has no history and a fixed tag.
    """
    clone = tmp_path_factory.mktemp("template") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, capture_output=True)
    releases.tag(clone)
    for path in git(clone, "ls-files", "-z").split("\0"):
        if path:
            (clone / path).unlink()
    export(working_tree(), clone)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "Working tree")
    git(clone, "tag", releases.following())
    return clone


@pytest.fixture(scope="session")
def questionnaire(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template of the questions, messages and hooks, which renders only the answers file."""
    hooks = [path for path in working_tree() if path.parts[0] == "hooks"]
    return export([*asking(), *hooks], tmp_path_factory.mktemp("questionnaire"))


@pytest.fixture(scope="session")
def varying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template of the files that depend on answers: fast, without most files and the long lock."""
    paths = [path for path in working_tree() if path.parts[0] == FILES.name and path.name != "uv.lock.jinja"]
    paths = [path for path in paths if path.suffix == SUFFIX or "{%" in str(path)]
    return export([*asking(), *paths], tmp_path_factory.mktemp("varying"))


@pytest.fixture(scope="session")
def free_text(varying: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template of the files that contain free text or names derived from it."""
    words = ["project_name", "project_description", "author_name", "repository_url", "_copier_answers"]
    paths = [path.relative_to(varying) for path in varying.rglob("*") if path.is_file()]
    paths = [
        path
        for path in paths
        if path.parts[0] in INCLUDED or any(word in (ROOT / path).read_text("utf-8") for word in words)
    ]
    return export(paths, tmp_path_factory.mktemp("free-text"))


@pytest.fixture(scope="session")
def render(copier_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Renders the working tree, once per answers."""
    made: dict[str, Path] = {}

    def rendered(**answers: Any) -> Path:  # noqa: ANN401
        key = json.dumps(answers, sort_keys=True)
        if key not in made:
            made[key] = render_template(copier_template, tmp_path_factory.mktemp("rendering") / "project", answers)
        return made[key]

    return rendered
