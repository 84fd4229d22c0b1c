"""`copier update`: what is new arrives, what the user wrote stays."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import releases
from conftest import git
from updating import LEFT, commit, release, update

from template import FILES, ROOT, answers, render

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def template(copier_template: Path, tmp_path: Path) -> Path:
    """A template of the test's own, at the next release."""
    return shutil.copytree(copier_template, tmp_path / "template", symlinks=True)


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """A project of that release, under git."""
    project = render(template, tmp_path / "project")
    commit(project, "Scaffold")
    return project


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

    update(project)

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


@pytest.mark.slow
def test_an_update_keeps_answers_and_takes_new_ones(template: Path, project: Path) -> None:
    release_note = template / FILES.name / "new.txt"
    release_note.write_text("new\n", "utf-8")
    release(template, "99.0.0")
    update(project, {"license": "proprietary"})
    assert "All rights reserved" in (project / "LICENSE").read_text("utf-8")
    assert "Private :: Do Not Upload" in (project / "pyproject.toml").read_text("utf-8")


RULES = """\
# Changes of the rules

## 99.1.0 (2026-12-01)

- **9.1** a stopping process
  says so.

## 99.0.1 (2026-12-01)

- No rule changed.

## 99.0.0 (2026-11-30)

- **3.1** every setting has a description.

"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "told", "untold"),
    [
        ("99.0.0", ["99.1.0 (2026-12-01)", "- **9.1** a stopping process\n      says so."], ["**3.1**", "99.0.1"]),
        ("", ["99.1.0 (2026-12-01)", "99.0.0 (2026-11-30)", "**3.1** every setting"], ["99.0.1", "git mv"]),
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
    commit(template, "Before")
    if before:
        git(template, "tag", before)
    project = render(template, tmp_path / "project")
    commit(project, "Scaffold")
    changelog = template / releases.RULES
    changelog.parent.mkdir(parents=True, exist_ok=True)
    changelog.write_text(RULES, "utf-8")
    release(template, "99.1.0")
    update(project, quiet=False, unsafe=not before)  # a version without a number lies before every hook
    message = capsys.readouterr().err
    commands = [
        line.split("#")[0].strip() for line in message.splitlines() if line.startswith("    ") and "-" not in line[:6]
    ]
    assert commands[:5] == [
        "git status",
        "uv lock",
        "uv run my-agent migrate",
        "uv run my-agent rules",
        "uv run pytest",
    ]
    assert [words for words in told if words not in message] == []
    assert [words for words in untold if words in message] == []


@pytest.mark.slow
def test_another_package_name_is_told_with_what_it_leaves_to_do(
    questionnaire: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = shutil.copytree(questionnaire, tmp_path / "template")
    commit(template, "Before")
    git(template, "tag", "99.0.0")
    project = render(template, tmp_path / "project")
    commit(project, "Scaffold")
    update(project, {"package_name": "ticket_desk"}, quiet=False)
    assert "\n    git mv src/my_agent/agent src/ticket_desk/agent" in capsys.readouterr().err


@pytest.mark.slow
def test_an_update_from_an_untagged_commit(copier_template: Path, tmp_path: Path) -> None:
    """As of a project made with `--vcs-ref HEAD`: to the next release, and to a later commit with no tag."""
    template = shutil.copytree(copier_template, tmp_path / "template", symlinks=True)
    (template / FILES.name / "between.txt").write_text("between\n", "utf-8")
    commit(template, "No release")
    project = render(template, tmp_path / "project", vcs_ref="HEAD")
    commit(project, "Scaffold")
    assert re.fullmatch(r"\S+-1-g[0-9a-f]+", answers(project)["_commit"])

    (template / FILES.name / "later.txt").write_text("later\n", "utf-8")
    commit(template, "No release either")
    update(project, vcs_ref="HEAD")
    assert (project / "later.txt").exists()
    commit(project, "Updated")

    (template / FILES.name / "newest.txt").write_text("newest\n", "utf-8")
    release(template, "99.0.0")
    update(project)
    assert (project / "newest.txt").exists()
    assert answers(project)["_commit"] == "99.0.0"


@pytest.mark.slow
def test_an_update_from_a_history_without_tags(questionnaire: Path, tmp_path: Path) -> None:
    template = shutil.copytree(questionnaire, tmp_path / "template")
    commit(template, "Before any release")
    project = render(template, tmp_path / "project", vcs_ref="HEAD")
    commit(project, "Scaffold")
    assert re.fullmatch(r"[0-9a-f]+", answers(project)["_commit"])
    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(template, "1.0.0")
    update(project)
    assert (project / "new.txt").exists()


@pytest.mark.slow
def test_a_conflict_is_marked_and_can_be_finished_as_the_docs_say(template: Path, project: Path) -> None:
    readme = project / "README.md"
    readme.write_text(readme.read_text("utf-8").replace("# My Agent\n", "# Our Agent\n", 1), "utf-8")
    commit(project, "Our title")
    source = template / FILES.name / "README.md.jinja"
    title = "# {{ project_name }}\n"
    source.write_text(source.read_text("utf-8").replace(title, "# The {{ project_name }}\n", 1), "utf-8")
    release(template, "99.0.0")
    update(project)

    text = readme.read_text("utf-8")
    ours, theirs = "<<<<<<< before updating\n# Our Agent\n", "# The My Agent\n>>>>>>> after updating\n"
    assert ours in text
    assert theirs in text
    assert "UU README.md" in git(project, "status", "--porcelain").splitlines()
    check = ["git", "diff", "--check"]
    assert (
        "leftover conflict marker"
        in subprocess.run(check, cwd=project, capture_output=True, text=True, check=False).stdout
    )
    docs = (ROOT / releases.UPDATING).read_text("utf-8")
    assert "<<<<<<< before updating\n" in docs
    assert ">>>>>>> after updating\n" in docs
    for command in ("git diff --check", "git checkout --ours -- <file>", "git reset --hard && git clean -d --force"):
        assert f"`{command}`" in docs

    git(project, "checkout", "--ours", "--", "README.md")
    assert readme.read_text("utf-8").startswith("# Our Agent\n")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Updated")
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.slow
def test_an_update_can_be_given_up(template: Path, project: Path) -> None:
    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(template, "99.0.0")
    before = git(project, "ls-files", "--stage")
    update(project)
    git(project, "reset", "--hard", "--quiet")
    git(project, "clean", "-d", "--force", "--quiet")
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "ls-files", "--stage") == before
    assert not (project / "new.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("edited", [False, True])
def test_the_tests_of_the_example_stay_where_an_older_project_has_them(
    template: Path, tmp_path: Path, edited: bool
) -> None:
    (name,) = LEFT
    (template / FILES.name / name).write_text("theirs\n", "utf-8")
    release(template, "98.0.0")
    project = render(template, tmp_path / "older", vcs_ref="98.0.0")
    path = project / name
    assert path.read_text("utf-8") == "theirs\n", "only an update leaves it out"
    if edited:
        path.write_text("mine\n", "utf-8")
    commit(project, "Scaffold")
    (template / FILES.name / name).unlink()
    release(template, "99.0.0")
    update(project)
    assert path.read_text("utf-8") == ("mine\n" if edited else "theirs\n")
    assert git(project, "status", "--porcelain", "tests") == ""


@pytest.mark.slow
def test_a_file_that_was_deleted_stays_deleted(template: Path, project: Path) -> None:
    (project / "docs" / "api.md").unlink()
    shutil.rmtree(project / "tests" / "agent", ignore_errors=True)
    commit(project, "Not for us")
    (template / FILES.name / "docs" / "api.md").write_text("# New\n", "utf-8")
    release(template, "99.0.0")
    update(project)
    assert not (project / "docs" / "api.md").exists()
    assert not (project / "tests" / "agent").exists()


@pytest.mark.slow
def test_what_an_option_leaves_behind_can_be_taken_back_as_the_docs_say(project: Path) -> None:
    """Copier deletes its files unseen, those with an owner's lines too, and none that the owner added."""
    alerts = project / "deploy" / "prometheus" / "rules" / "alerts.yml"
    text = f"{alerts.read_text('utf-8')}# ours\n"
    alerts.write_text(text, "utf-8")
    ours = project / "docs" / "runbooks" / "OrdersLate.md"
    ours.write_text("# Orders are late\n", "utf-8")
    commit(project, "Ours")
    update(project, {"layers": ["kubernetes", "logging", "tracing"]})
    assert ours.exists()
    assert not alerts.exists()
    docs = (ROOT / releases.UPDATING).read_text("utf-8")
    assert "those that you changed too" in docs
    assert "`git checkout HEAD -- <file>`" in docs
    assert " D deploy/prometheus/rules/alerts.yml" in git(project, "status", "--porcelain").splitlines()
    git(project, "checkout", "HEAD", "--", "deploy/prometheus/rules/alerts.yml")
    assert alerts.read_text("utf-8") == text
