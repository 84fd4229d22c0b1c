"""`copier update` applies the template's changes and keeps the user's."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader

from tests.programs import releases
from tests.support.git import commit, git
from tests.support.template import FILES, README, ROOT, answers, environment, render
from tests.support.updating import LEFT, release, update

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def template(copier_template: Path, tmp_path: Path) -> Path:
    """A template at the next release, for one test."""
    return shutil.copytree(copier_template, tmp_path / "template", symlinks=True)


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """A committed project of that release."""
    project = render(template, tmp_path / "project")
    commit(project, "Scaffold")
    return project


def test_an_update_applies_changes_and_keeps_the_users_edits(template: Path, project: Path) -> None:
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
    readme = folder / README
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
def test_an_update_keeps_answers_and_accepts_new_ones(template: Path, project: Path) -> None:
    release_note = template / FILES.name / "new.txt"
    release_note.write_text("new\n", "utf-8")
    release(template, "99.0.0")
    update(project, {"license": "proprietary"})
    assert "All rights reserved" in (project / "LICENSE").read_text("utf-8")
    assert "Private :: Do Not Upload" in (project / "pyproject.toml").read_text("utf-8")


RULES = {
    "en": """\
# Changes of the rules

## 99.1.0 (2026-12-01)

- **9.1** a stopping process
  says so.

## 99.0.1 (2026-12-01)

- No rule changed.

## 99.0.0 (2026-11-30)

- **3.1** every setting has a description.

""",
    "zh": """\
# 规则的变更

## 99.1.0 (2026-12-01)

- **9.1** 停止的进程
  会说明。

## 99.0.1 (2026-12-01)

- 规则没有变化。

## 99.0.0 (2026-11-30)

- **3.1** 每个配置项都有说明。

""",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "language", "expected", "unexpected"),
    [
        (
            "99.0.0",
            "en",
            ["Rules changed in 99.1.0 (2026-12-01):\n    - **9.1** a stopping process\n      says so."],
            ["**3.1**", "changed in 99.0.1", "停止", "规则"],
        ),
        (
            "99.0.0",
            "zh",
            ["99.1.0 (2026-12-01) 的规则变更", "    - **9.1** 停止的进程\n      会说明。", "版本说明"],
            ["**3.1**", "99.0.1 (2026-12-01) 的", "stopping", "Rules changed", "Release notes"],
        ),
        (
            "99.0.7",  # of a fork: the changelog lacks it
            "en",
            ["Rules changed in 99.1.0 (2026-12-01)"],
            ["**3.1**", "changed in 99.0.1", "99.0.0 (2026-11-30)"],
        ),
        (
            "",
            "en",
            ["changed in 99.1.0 (2026-12-01)", "changed in 99.0.0 (2026-11-30)", "**3.1** every setting"],
            ["changed in 99.0.1", "git mv"],
        ),
    ],
)
def test_an_update_prints_the_rules_that_changed_in_the_language_of_the_project(  # noqa: PLR0913, PLR0917
    questionnaire: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    before: str,
    language: str,
    expected: list[str],
    unexpected: list[str],
) -> None:
    """Prints entries of rules/CHANGELOG.md since the project's version; all of them if that is not a release."""
    template = shutil.copytree(questionnaire, tmp_path / "template")
    commit(template, "Before")
    if before:
        git(template, "tag", before)
    project = render(template, tmp_path / "project", {"rules_language": language})
    commit(project, "Scaffold")
    for name, text in RULES.items():
        changelog = template / releases.RULES[name]
        changelog.parent.mkdir(parents=True, exist_ok=True)
        changelog.write_text(text, "utf-8")
    release(template, "99.1.0")
    update(project, quiet=False, unsafe=not before)  # a version without a number precedes every hook
    message = capsys.readouterr().err
    commands = [
        line.split("#")[0].strip() for line in message.splitlines() if line.startswith("    ") and "-" not in line[:6]
    ]
    assert commands[:6] == [
        "git status",
        "uv lock",
        "uv run my-agent sync",
        "uv run my-agent migrate",
        "uv run my-agent rules",
        "uv run pytest",
    ]
    assert [words for words in expected if words not in message] == []
    assert [words for words in unexpected if words in message] == []
    linked = re.findall(rf"^    (\S+)  CHANGELOG\.md in {re.escape(str(template))}$", message, re.MULTILINE)
    assert linked == [version for version in ("99.1.0", "99.0.1", "99.0.0") if version > before]


@pytest.mark.parametrize(
    ("source", "commit_of_it", "page"),
    [
        ("https://github.com/acme/it.git", "99.1.0", "https://github.com/acme/it/blob/99.1.0"),
        ("gh:acme/it", "99.1.0", "https://github.com/acme/it/blob/99.1.0"),
        ("git@github.com:acme/it.git", "99.1.0", "https://github.com/acme/it/blob/99.1.0"),
        (
            "https://someone:secret@github.com/acme/it",
            "99.0.1-3-g0123abc",
            "https://github.com/acme/it/blob/0123abcdef",
        ),
        ("ssh://git@gitlab.acme.test/desks/it.git", "99.1.0", "https://gitlab.acme.test/desks/it/-/blob/99.1.0"),
        ("git+https://gitlab.com/acme/it", "99.1.0", "https://gitlab.com/acme/it/-/blob/99.1.0"),
        ("gl:acme/it", "99.1.0", "https://gitlab.com/acme/it/-/blob/99.1.0"),
        ("https://git.acme.test/it.git", "99.1.0", None),
        ("/srv/it", "99.1.0", None),
    ],
)
def test_the_release_notes_are_linked_where_the_host_is_known(source: str, commit_of_it: str, page: str | None) -> None:
    message = environment().from_string((ROOT / "messages" / "after_update.jinja").read_text("utf-8"))
    message.environment.loader = ChoiceLoader([DictLoader({releases.RULES["en"]: RULES["en"]}), FileSystemLoader(ROOT)])
    answered = {"project_name": "It", "project_slug": "it", "package_name": "it"}
    context = answered | {"rules_language": "en", "version_before": "99.0.0"}
    text = message.render(
        context,
        _copier_answers={"_src_path": source, "_commit": commit_of_it},
        _copier_conf={"vcs_ref_hash": "0123abcdef"},
    )
    notes = text.partition("Release notes:\n")[2].splitlines()
    assert "secret" not in text
    if page:
        assert notes == [
            f"    99.1.0  {page}/CHANGELOG.md#9910-2026-12-01",
            f"    99.0.1  {page}/CHANGELOG.md#9901-2026-12-01",
        ]
    else:
        assert notes == [
            f"    {version}  CHANGELOG.md in {source.removesuffix('.git')}" for version in ("99.1.0", "99.0.1")
        ]


def test_another_package_name_is_refused_with_what_to_run_instead(questionnaire: Path, tmp_path: Path) -> None:
    template = shutil.copytree(questionnaire, tmp_path / "template")
    release(template, "99.0.0")
    project = render(template, tmp_path / "project")
    commit(project, "Scaffold")
    with pytest.raises(ValueError, match=r"called my_agent, .* hooks/rename_package\.py of the template"):
        update(project, {"package_name": "ticket_desk"})
    assert git(project, "status", "--porcelain") == ""
    assert "hooks/rename_package.py ticket_desk" in (ROOT / releases.UPDATING).read_text("utf-8")


@pytest.mark.slow
def test_an_update_from_an_untagged_commit(copier_template: Path, tmp_path: Path) -> None:
    """A project made with `--vcs-ref HEAD` updates to a later untagged commit, and to the next release."""
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
def test_a_conflict_is_marked_and_can_be_resolved_as_documented(template: Path, project: Path) -> None:
    readme = project / "README.md"
    readme.write_text(readme.read_text("utf-8").replace("# My Agent\n", "# Our Agent\n", 1), "utf-8")
    commit(project, "Our title")
    source = template / FILES.name / README
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
def test_an_update_can_be_undone(template: Path, project: Path) -> None:
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
def test_the_tests_of_the_example_stay_in_older_projects(template: Path, tmp_path: Path, edited: bool) -> None:
    (name,) = LEFT
    (template / FILES.name / name).write_text("theirs\n", "utf-8")
    release(template, "98.0.0")
    project = render(template, tmp_path / "older", vcs_ref="98.0.0")
    path = project / name
    assert path.read_text("utf-8") == "theirs\n", "only an update excludes it"
    if edited:
        path.write_text("mine\n", "utf-8")
    commit(project, "Scaffold")
    (template / FILES.name / name).unlink()
    release(template, "99.0.0")
    update(project)
    assert path.read_text("utf-8") == ("mine\n" if edited else "theirs\n")
    assert git(project, "status", "--porcelain", "tests") == ""


@pytest.mark.slow
def test_a_deleted_file_stays_deleted(template: Path, project: Path) -> None:
    (project / "docs" / "api.md").unlink()
    shutil.rmtree(project / "tests" / "agent", ignore_errors=True)
    commit(project, "Not for us")
    (template / FILES.name / "docs" / "api.md").write_text("# New\n", "utf-8")
    release(template, "99.0.0")
    update(project)
    assert not (project / "docs" / "api.md").exists()
    assert not (project / "tests" / "agent").exists()


@pytest.mark.slow
def test_deleted_files_of_an_option_can_be_restored_as_documented(project: Path) -> None:
    """Copier deletes the files of a deselected option, including edited ones, but none that the owner added."""
    alerts = project / "deploy" / "prometheus" / "rules" / "alerts.yml"
    text = f"{alerts.read_text('utf-8')}# ours\n"
    alerts.write_text(text, "utf-8")
    ours = project / "docs" / "runbooks" / "OrdersLate.md"
    ours.parent.mkdir()
    ours.write_text("# Orders are late\n", "utf-8")
    commit(project, "Ours")
    update(project, {"layers": ["kubernetes", "logging", "tracing"]})
    assert ours.exists()
    assert not alerts.exists()
    docs = (ROOT / releases.UPDATING).read_text("utf-8")
    assert "**including those that you changed**" in docs
    assert "`git checkout HEAD -- <file>`" in docs
    assert " D deploy/prometheus/rules/alerts.yml" in git(project, "status", "--porcelain").splitlines()
    git(project, "checkout", "HEAD", "--", "deploy/prometheus/rules/alerts.yml")
    assert alerts.read_text("utf-8") == text
