"""`copier update`: what is new arrives, what the user wrote stays."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import copier
import pytest
import releases
from conftest import git

from template import FILES, render

if TYPE_CHECKING:
    from pathlib import Path


def commit(folder: Path, message: str) -> None:
    """Everything, as one commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture
def template(copier_template: Path, tmp_path: Path) -> Path:
    """A template of the test's own, at the next release."""
    return shutil.copytree(copier_template, tmp_path / "template", symlinks=True)


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """A project of that release, under git."""
    project = render(template, tmp_path / "project")
    git(project, "init", "--quiet")
    commit(project, "Scaffold")
    return project


def release(template: Path, version: str) -> None:
    """The template's working tree, as a release."""
    commit(template, version)
    git(template, "tag", version)


def test_an_update_brings_what_is_new_and_keeps_the_users_edits(template: Path, project: Path) -> None:
    agent = project / "src" / "my_agent" / "agent"
    edited, deleted = sorted(path for path in agent.iterdir() if path.name != "__init__.py")[:2]
    edited.write_text("mine\n", "utf-8")
    deleted.unlink()
    (project / "README.md").write_text((project / "README.md").read_text("utf-8") + "\nA line of mine.\n", "utf-8")
    (project / "uv.lock").write_text((project / "uv.lock").read_text("utf-8") + "# mine\n", "utf-8")
    commit(project, "Mine")

    folder = template / FILES.name
    theirs = folder / "src" / "{{ package_name }}" / "agent"
    for path in theirs.iterdir():
        if path.is_file():
            path.write_text("theirs\n", "utf-8")
    (theirs / "new.py").write_text("theirs\n", "utf-8")
    readme = folder / "README.md.jinja"
    title = "# {{ project_name }}\n"
    readme.write_text(readme.read_text("utf-8").replace(title, f"{title}\nA new line.\n", 1), "utf-8")
    (folder / "new.txt").write_text("new\n", "utf-8")
    release(template, "99.0.0")

    copier.run_update(project, defaults=True, overwrite=True, quiet=True, unsafe=False)

    assert edited.read_text("utf-8") == "mine\n"
    assert not deleted.exists()
    assert not (agent / "new.py").exists()
    assert (project / "uv.lock").read_text("utf-8").endswith("# mine\n")
    assert (project / "new.txt").read_text("utf-8") == "new\n"
    text = (project / "README.md").read_text("utf-8")
    assert text.startswith("# My Agent\n\nA new line.\n")
    assert text.endswith("\nA line of mine.\n")
    assert "<<<<<<<" not in text
    assert git(project, "status", "--porcelain", "src") == ""


def test_an_update_keeps_answers_and_takes_new_ones(template: Path, project: Path) -> None:
    release_note = template / FILES.name / "new.txt"
    release_note.write_text("new\n", "utf-8")
    release(template, "99.0.0")
    copier.run_update(project, data={"license": "proprietary"}, defaults=True, overwrite=True, quiet=True, unsafe=False)
    assert "All rights reserved" in (project / "LICENSE").read_text("utf-8")
    assert "Private :: Do Not Upload" in (project / "pyproject.toml").read_text("utf-8")


RULES = """\
# Changes of the rules

## 99.1.0 (2026-12-01)

- **9.1** a stopping process
  says so.

## 99.0.0 (2026-11-30)

- **3.1** every setting has a description.

"""


@pytest.mark.parametrize(
    ("before", "told", "untold"),
    [
        ("99.0.0", ["99.1.0 (2026-12-01)", "- **9.1** a stopping process\n      says so."], ["**3.1**"]),
        ("", ["99.1.0 (2026-12-01)", "99.0.0 (2026-11-30)", "**3.1** every setting"], []),
    ],
)
def test_the_rules_that_changed_since_are_told(  # noqa: PLR0913, PLR0917
    questionnaire: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    before: str,
    told: list[str],
    untold: list[str],
) -> None:
    """In the words of rules/CHANGELOG.md, from the version that the project has; all of them if that has no number."""
    template = shutil.copytree(questionnaire, tmp_path / "template")
    git(template, "init", "--quiet")
    commit(template, "Before")
    if before:
        git(template, "tag", before)
    project = render(template, tmp_path / "project")
    git(project, "init", "--quiet")
    commit(project, "Scaffold")
    changelog = template / releases.RULES
    changelog.parent.mkdir(parents=True, exist_ok=True)
    changelog.write_text(RULES, "utf-8")
    release(template, "99.1.0")
    copier.run_update(project, defaults=True, skip_answered=True, overwrite=True, unsafe=False)
    message = capsys.readouterr().err
    commands = [
        line.split("#")[0].strip() for line in message.splitlines() if line.startswith("    ") and "-" not in line[:6]
    ]
    assert commands[:4] == ["git status", "uv lock", "uv run my-agent migrate", "uv run pytest"]
    assert [words for words in told if words not in message] == []
    assert [words for words in untold if words in message] == []
