"""`template status`, against a template's repository with releases of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine

CHANGELOG = """\
# Changes of the rules

## 1.2.0 (2026-12-01)

- **9.1** a stopping process
  says so.

## 1.1.1 (2026-11-30)

- No rule changed.

## 1.1.0 (2026-11-30)

- **3.1** every setting has a description.

## 1.0.0 (2026-11-25)

- The first release.
"""
CHINESE = """\
# 规则的变更

## 1.2.0 (2026-12-01)

- **9.1** 停止的进程会说明。

## 1.1.1 (2026-11-30)

- 规则没有变化。
"""
Made = Callable[..., CommandLine]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A template with three releases, the newest first made, and a tag that is none."""
    folder = tmp_path / "template repository"
    for language, text in {"en": CHANGELOG, "zh": CHINESE}.items():
        rules = f"<% if rules_language == '{language}' %>rules<% endif %>".replace("<", "{").replace(">", "}")
        path = folder / "template" / rules / "CHANGELOG.md"
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.org"]
    for arguments in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message", "It"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    for tag in ("1.10.0-rc1", "1.2.0", "1.1.0", "1.0.0"):
        subprocess.run(["git", "tag", tag], cwd=folder, check=True)
    return folder


@pytest.fixture
def project(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Made:
    """A project of the commit given."""

    def made(commit: str, language: str = "en") -> CommandLine:
        folder = tmp_path / "project"
        folder.mkdir()
        answers = f"# Written by Copier\n_commit: {commit}\n_src_path: '{repository}'\nrules_language: {language}\n"
        (folder / ".copier-answers.yml").write_text(answers, "utf-8")
        return CommandLine(folder, {}, monkeypatch, capsys)

    return made


def test_changed_rules_are_listed_newest_first(project: Made) -> None:
    shown = project("1.0.0").ok("template", "status")
    assert "In use    1.0.0\nNewest    1.2.0\n" in shown
    assert shown.index("changed in 1.2.0:\n  - **9.1** a stopping process says so.") < shown.index("changed in 1.1.0:")
    assert "1.1.1" not in shown  # in which no rule changed
    assert "The first release" not in shown
    assert "copier update" in shown


def test_the_rules_that_changed_are_shown_in_the_language_of_the_project(project: Made) -> None:
    shown = project("1.0.0", "zh").ok("template", "status")
    assert "changed in 1.2.0:\n  - **9.1** 停止的进程会说明。" in shown
    assert "stopping" not in shown
    assert "1.1.1" not in shown


def test_a_project_of_the_newest_release_is_up_to_date(project: Made) -> None:
    output = project("1.2.0-3-g0123abc").ok("template", "status")
    assert "In use    1.2.0 and 3 commits\n" in output
    assert output.endswith("\nUp to date.\n")


def test_a_project_older_than_the_first_release_lists_all(project: Made) -> None:
    output = project("0123abcdef").ok("template", "status")
    assert "In use    0123abcdef\n" in output
    assert "The first release." in output


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (None, "run this in the project's root"),
        ("license: mit\n", "restore it from git"),
        ("_commit: 1.0.0\n_src_path: /nowhere/at/all\n", "'/nowhere/at/all' does not appear to be a git repository"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: str | None,
    reason: str,
) -> None:
    if answers is not None:
        (tmp_path / ".copier-answers.yml").write_text(answers, "utf-8")
    outcome = CommandLine(tmp_path, {}, monkeypatch, capsys)("template", "status")
    assert outcome.code == 1
    assert len(outcome.problems) == 1
    assert reason in outcome.problems[0]
