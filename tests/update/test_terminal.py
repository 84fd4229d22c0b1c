"""`copier copy` and `copier update` as commands: typed answers, existing files, paths and addresses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.support.git import commit, git
from tests.support.template import ANSWERS_FILE, FILES, ROOT, answers, questions
from tests.support.terminal import talk
from tests.support.updating import release

if TYPE_CHECKING:
    from collections.abc import Sequence

COPIER = Path(sys.executable).with_name("copier")
ENTER = "\r"
MINE = ["README.md", "src/my_agent/app.py", "notes.txt"]
ASKED = [name for name, question in questions().items() if "when" not in question and "ask" not in question]


def help_of(name: str) -> str:
    """Return the part of a question that fits on a line of the terminal."""
    return str(questions()[name]["help"])[:40]


def blocks(page: str, heading: str = "") -> list[str]:
    """Return the shell commands of a page after a heading, with this environment's copier."""
    text = (
        (ROOT / "docs" / page).read_text("utf-8").partition(heading)[2]
        if heading
        else (ROOT / "docs" / page).read_text("utf-8")
    )
    return [
        dedent(block).replace("uvx copier", str(COPIER)) for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    ]


def shell(commands: str, folder: Path, **environment: str) -> str:
    """Run shell commands and return their output."""
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def copier(*arguments: str | Path, folder: Path, code: int = 0) -> str:
    """Run `copier` without a terminal and return its output."""
    done = subprocess.run(
        [COPIER, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def template(questionnaire: Path, tmp_path: Path) -> Path:
    """A released template that renders two files and the answers."""
    template = shutil.copytree(questionnaire, tmp_path / "template")
    (template / FILES.name / "README.md.jinja").write_text("# {{ project_name }}\n", "utf-8")
    (template / FILES.name / "src" / "{{ package_name }}").mkdir(parents=True)
    (template / FILES.name / "src" / "{{ package_name }}" / "app.py").write_text("theirs\n", "utf-8")
    release(template, "99.0.0")
    return template


def answered(*typed: tuple[str, str]) -> Sequence[tuple[str, str]]:
    """Return a script that types these answers, and takes the defaults of all other questions."""
    rest = [name for name in ASKED if name not in {name for name, _ in typed}]
    return [(help_of(name), keys + ENTER) for name, keys in typed] + [(help_of(name), ENTER) for name in rest]


def test_typed_answers_replace_the_placeholder(template: Path, tmp_path: Path) -> None:
    """The field is empty: the first letter replaces the example on the screen."""
    texts = {"project_name": "Order Desk", "project_description": "Answers.", "author_name": "Acme Ltd"}
    code, screen = talk([COPIER, "copy", template, "project"], tmp_path, answered(*texts.items()))
    assert code == 0, screen
    found = answers(tmp_path / "project")
    assert {name: found[name] for name in texts} == texts
    assert (found["project_slug"], found["package_name"]) == ("order-desk", "order_desk")
    assert "Answers customers' questions about their orders" in screen
    assert "My Agent" not in screen

    # `copier update` without `--skip-answered` asks again, with the answers filled in.
    commit(tmp_path / "project", "Scaffold")
    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(template, "99.1.0")
    code, screen = talk([COPIER, "update"], tmp_path / "project", answered(("project_name", "s")))
    assert code == 0, screen
    assert answers(tmp_path / "project")["project_name"] == "Order Desks"
    assert answers(tmp_path / "project")["project_slug"] == "order-desk"
    assert (tmp_path / "project" / "new.txt").exists()


def test_an_empty_name_is_asked_for_again(template: Path, tmp_path: Path) -> None:
    script = [(help_of("project_name"), ENTER), ("Type a name.", "Order Desk" + ENTER)]
    typed = answered(("project_description", "Answers."), ("author_name", "Acme Ltd"))
    rest = [(text, keys) for text, keys in typed if text != help_of("project_name")]
    code, screen = talk([COPIER, "copy", template, "project"], tmp_path, [*script, *rest])
    assert code == 0, screen
    assert answers(tmp_path / "project")["project_name"] == "Order Desk"


def test_a_name_without_a_latin_letter_leads_to_a_question_for_the_slug(template: Path, tmp_path: Path) -> None:
    typed = answered(("project_name", "订单助手"), ("project_description", "Answers."), ("author_name", "Acme"))
    script = [*typed, (help_of("project_slug"), "order-desk" + ENTER)]
    code, screen = talk([COPIER, "copy", template, "project"], tmp_path, script)
    assert code == 0, screen
    assert answers(tmp_path / "project")["package_name"] == "order_desk"


@pytest.fixture
def existing(tmp_path: Path) -> Path:
    """A repository with files, two of them with names of the template."""
    folder = tmp_path / "order-desk"
    (folder / "src" / "my_agent").mkdir(parents=True)
    for name in MINE:
        (folder / name).write_text("mine\n", "utf-8")
    commit(folder, "Before")
    return folder


def test_existing_files_stay_without_a_terminal(template: Path, existing: Path) -> None:
    """The copy adds all other files, and lists those that stayed."""
    printed = copier("copy", "--defaults", template, ".", folder=existing)
    assert {(existing / name).read_text("utf-8") for name in MINE} == {"mine\n"}
    assert git(existing, "status", "--porcelain") == "?? .copier-answers.yml"
    assert "which were left unchanged:\nREADME.md, src/my_agent/app.py.\n" in printed
    assert "`--overwrite`" in printed
    assert "docs/adopting.md" in printed
    assert "git init" not in printed
    printed = copier("copy", "--defaults", "--overwrite", template, ".", folder=existing)
    assert "stayed" not in printed
    assert git(existing, "diff", "--name-only").splitlines() == ["README.md", "src/my_agent/app.py"]


def test_a_repository_adopts_the_template_as_documented(template: Path, existing: Path) -> None:
    switch, copy, recopy, check = blocks("adopting.md")
    shell(switch, existing)
    shell(copy.replace("gh:owner/copier-twelve-factor-agent", f"--defaults {template}"), existing)
    assert "README.md" in shell(recopy, existing)
    git(existing, "checkout", "HEAD", "--", "README.md")
    shell("\n".join(line for line in check.splitlines() if line.startswith("git ")), existing)
    assert git(existing, "status", "--porcelain") == ""

    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    (template / FILES.name / "README.md.jinja").write_text("# {{ project_name }}\n\nNew.\n", "utf-8")
    release(template, "99.1.0")
    copier("update", "--defaults", folder=existing)
    assert (existing / "new.txt").exists()
    assert (existing / "src/my_agent/app.py").read_text("utf-8") == "theirs\n"
    assert "UU README.md" in git(existing, "status", "--porcelain").splitlines()


def test_an_adoption_can_be_cancelled_as_documented(template: Path, existing: Path) -> None:
    before = git(existing, "ls-files", "--stage")
    switch, copy, recopy, _ = blocks("adopting.md")
    for commands in (switch, copy.replace("gh:owner/copier-twelve-factor-agent", f"--defaults {template}"), recopy):
        shell(commands, existing)
    (undo,) = re.findall(r"To cancel, run `(.*?)`", (ROOT / "docs" / "adopting.md").read_text("utf-8"))
    shell(undo, existing)
    assert git(existing, "ls-files", "--stage") == before
    assert git(existing, "status", "--porcelain") == ""
    assert "adopt" not in git(existing, "branch")


@pytest.mark.parametrize(
    "command", [["copy", "--defaults"], ["copy", "--data-file", "all.yml"], ["recopy", "--defaults"]]
)
def test_no_copy_over_a_project_stops_half_way(template: Path, tmp_path: Path, command: list[str]) -> None:
    project = tmp_path / "project"
    copier("copy", "--defaults", template, project, folder=tmp_path)
    (project / "README.md").write_text("mine\n", "utf-8")
    (project / "src" / "my_agent" / "app.py").unlink()
    if "all.yml" in command:
        (tmp_path / "all.yml").write_text((project / ".copier-answers.yml").read_text("utf-8"), "utf-8")
    source = [template] if command[0] == "copy" else []
    copier(*command, *source, project, folder=tmp_path)
    assert (project / "README.md").read_text("utf-8") == "mine\n"
    assert (project / "src" / "my_agent" / "app.py").exists()


def test_an_update_finds_a_template_with_a_relative_path(template: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    printed = copier("copy", "--defaults", "../template", "my/project", folder=tmp_path / "work")
    assert "Warning: you gave the template as a relative path." in printed
    assert str(template) in printed
    assert "gh:owner/name" in printed
    project = tmp_path / "work" / "my" / "project"
    assert answers(project)["_src_path"] == str(template)
    commit(project, "Scaffold")
    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(template, "99.1.0")
    copier("update", "--defaults", folder=project)
    assert (project / "new.txt").exists()
    assert answers(project)["_src_path"] == str(template)


def test_a_project_in_a_folder_of_a_repository(template: Path, tmp_path: Path) -> None:
    """The documented commands work, the message suggests no nested repository, and updates run in the folder."""
    whole = tmp_path / "whole"
    (whole / "services").mkdir(parents=True)
    (whole / "README.md").write_text("The whole.\n", "utf-8")
    commit(whole, "Before")
    project = whole / "services" / "desk"
    workflows = template / FILES.name / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "ci.yml").write_text("on: pull_request\n", "utf-8")
    release(template, "99.0.1")
    copy, share = blocks("monorepo.md")
    printed = shell(copy.replace("gh:owner/copier-twelve-factor-agent", f"--defaults {template}"), tmp_path)
    assert "git init" not in printed
    assert "The project is a folder of a git repository." in printed
    assert "docs/monorepo.md" in printed
    assert "git add --all . && git commit" in printed
    assert git(whole, "status", "--porcelain") == ""
    shell(share, whole)
    assert (whole / ".github/workflows/desk-ci.yml").read_text("utf-8") == "on: pull_request\n"
    commit(whole, "Share the workflow")
    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(template, "99.1.0")
    copier("update", "--defaults", folder=project)
    changed = git(whole, "status", "--porcelain").split()
    assert changed == ["M", "services/desk/.copier-answers.yml", "??", "services/desk/new.txt"]


@pytest.mark.parametrize("known", ["git init", "worktree"])
def test_an_existing_repository_gets_no_advice(template: Path, tmp_path: Path, known: str) -> None:
    printed = copier("copy", "--defaults", template, "project", folder=tmp_path)
    assert "git init --quiet && git add --all && git commit" in printed
    project = tmp_path / "own"
    if known == "git init":
        project.mkdir()
        git(project, "init", "--quiet")
    else:
        git(template, "worktree", "add", "--quiet", "--no-checkout", str(project))
    printed = copier("copy", "--defaults", template, "own", folder=tmp_path)
    assert "git init" not in printed
    assert "is a folder of" not in printed


def test_an_update_from_a_moved_template_works_as_documented(template: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    copier("copy", "--defaults", template, project, folder=tmp_path)
    commit(project, "Scaffold")
    moved = template.rename(tmp_path / "moved")
    (moved / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(moved, "99.1.0")
    copier("update", "--defaults", folder=project, code=1)
    assert git(project, "status", "--porcelain") == ""
    commands = blocks("updating.md", "## The template has moved")[0]
    shell(commands.replace("https://github.com/acme/copier-twelve-factor-agent.git", str(moved)), project)
    assert (project / "new.txt").exists()
    assert answers(project)["_src_path"] == str(moved)
    assert answers(project)["_commit"] == "99.1.0"


def test_git_can_replace_the_address_of_the_template_as_documented(template: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    copier("copy", "--defaults", template, project, folder=tmp_path)
    recorded = project / ANSWERS_FILE
    address = "https://github.com/acme/template.git"
    recorded.write_text(recorded.read_text("utf-8").replace(str(template), address), "utf-8")
    commit(project, "Scaffold")
    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(template, "99.1.0")
    git(tmp_path, "clone", "--quiet", "--bare", str(template), str(tmp_path / "mirrors" / "template.git"))
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n  name = it\n  email = it@example.org\n", "utf-8")
    commands = blocks("updating.md", "## The template has moved")[1]
    shell(
        commands.replace("https://git.acme.internal/mirrors/", f"{tmp_path}/mirrors/") + f"{COPIER} update --defaults",
        project,
        GIT_CONFIG_GLOBAL=str(settings),
        COPIER_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert (project / "new.txt").exists()
    assert answers(project)["_src_path"] == address


def test_a_token_in_the_address_is_recorded_nowhere(template: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(template), str(tmp_path / "mirrors" / "template.git"))
    settings = tmp_path / "gitconfig"
    address = "https://someone:secret@git.acme.test/"
    settings.write_text(f'[url "{tmp_path}/mirrors/"]\n  insteadOf = {address}\n', "utf-8")
    environment = {"GIT_CONFIG_GLOBAL": str(settings), "COPIER_CACHE_DIR": str(tmp_path / "cache")}
    printed = shell(f"{COPIER} copy --defaults {address}template.git project", tmp_path, **environment)
    assert "Warning: the template's address contains a user or token." in printed
    assert "secret" not in (tmp_path / "project" / ANSWERS_FILE).read_text("utf-8")
    assert answers(tmp_path / "project")["_src_path"] == "https://git.acme.test/template.git"
