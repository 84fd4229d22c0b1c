"""Every variant parses, passes the linter and formatter, and has no trace of the template."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.render import checks
from tests.support import variants
from tests.support.git import git
from tests.support.template import ANSWERS_FILE, FILES, README, environment, rendered_files
from tests.support.template import render as render_template

if TYPE_CHECKING:
    from tests.conftest import Render

# The longest and the shortest name: neither changes line breaks or the order of imports.
NAMES = {"long-name": {"project_slug": "zzz-the-longest-name-that-a-project-gets"}, "short-name": {"project_slug": "a"}}
ROWS = variants.rows() | variants.flips() | NAMES


@pytest.fixture
def project(render: Render, row: str) -> Path:
    return render(**ROWS[row])


QUICK = {*variants.ARCHETYPES, *NAMES}
SLOW = {False: [pytest.mark.slow], True: [pytest.mark.slow, pytest.mark.essential]}  # by whether it is built somewhere
# One process of pytest-xdist runs the tests of one variant, and renders it once.
each_variant = pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=[pytest.mark.xdist_group(row), *([] if row in QUICK else SLOW[row in variants.rows()])])
        for row in ROWS
    ],
)


def contents(project: Path) -> dict[str, tuple[int, bytes]]:
    """Return the mode and bytes of every file by path."""
    return {
        path.relative_to(project).as_posix(): (path.stat().st_mode, path.read_bytes())
        for path in rendered_files(project)
    }


def succeeds(command: list[str], project: Path) -> None:
    """Run a command in a project and check that it succeeds."""
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@each_variant
def test_rendered_files_are_sound(project: Path) -> None:
    """Files parse, are tidy, and have no trace of the template or of options that were not chosen: checks.py."""
    assert checks.problems(checks.Rendering(project)) == []


def test_equal_files_are_parsed_once(render: Render) -> None:
    """Variants share most files, and parsing takes most of the time of their checks."""
    project = render()
    checks.parse.cache_clear()
    checks.problems(checks.Rendering(project))
    parsed = checks.parse.cache_info().misses
    checks.problems(checks.Rendering(project))
    assert 0 < parsed == checks.parse.cache_info().misses


@each_variant
def test_linting_and_formatting_change_nothing(project: Path) -> None:
    for command in (["check"], ["format", "--check"]):
        succeeds(["ruff", *command, "--no-cache", "--quiet"], project)


@each_variant
def test_the_rendered_lock_is_up_to_date(project: Path) -> None:
    succeeds(["uv", "lock", "--check"], project)


@pytest.mark.slow
@pytest.mark.parametrize("option", variants.options())
def test_every_choice_changes_a_file(varying: Path, tmp_path: Path, option: str) -> None:
    files = [
        without_answers(render_template(varying, tmp_path / value, variants.answers_of({option: value}), vcs_ref=None))
        for value in variants.options()[option]
    ]
    assert all(one != other for one, other in combinations(files, 2))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("project_name", "Order Desk"),
        ("project_description", "Answers questions about orders"),
        ("author_name", "Acme Ltd"),
        ("repository_url", "https://github.com/acme/order-desk"),
        ("project_slug", "order-desk"),
        ("package_name", "order_desk"),
    ],
)
def test_every_text_changes_a_file(varying: Path, tmp_path: Path, name: str, value: str) -> None:
    default = render_template(varying, tmp_path / "default", vcs_ref=None)
    changed = render_template(varying, tmp_path / "changed", {name: value}, vcs_ref=None)
    assert without_answers(default) != without_answers(changed)


def without_answers(project: Path) -> dict[str, str]:
    """Return every file except the answers file, which every answer changes."""
    return {path: text for path, text in checks.Rendering(project).texts.items() if path != ANSWERS_FILE}


@pytest.mark.slow
def test_a_rendering_in_process_is_what_copier_copy_writes(
    copier_template: Path, render: Render, tmp_path: Path
) -> None:
    """Tests render in-process and faster: fast_copier.py."""
    command = [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet", "--vcs-ref", "HEAD"]
    subprocess.run([*command, str(copier_template), str(tmp_path / "project")], check=True, capture_output=True)
    assert contents(tmp_path / "project") == contents(render())


def test_a_second_copy_over_itself_changes_nothing(copier_template: Path, tmp_path: Path) -> None:
    project = render_template(copier_template, tmp_path)
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Scaffold")
    render_template(copier_template, project, overwrite=True)
    assert git(project, "status", "--porcelain") == ""


def test_a_second_copy_keeps_the_users_files(copier_template: Path, tmp_path: Path) -> None:
    project = render_template(copier_template, tmp_path)
    mine = min((project / "src" / "my_agent" / "agent").iterdir())
    mine.write_text("mine\n", "utf-8")
    (project / "README.md").write_text("mine\n", "utf-8")
    render_template(copier_template, project, overwrite=True)
    assert mine.read_text("utf-8") == "mine\n"
    assert (project / "README.md").read_text("utf-8") != "mine\n"


def test_an_existing_repository_keeps_its_files(
    copier_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "notes.txt").write_text("mine\n", "utf-8")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Before")
    render_template(copier_template, tmp_path, quiet=False)
    assert (tmp_path / "notes.txt").read_text("utf-8") == "mine\n"
    assert (tmp_path / "src" / "my_agent").is_dir()
    assert "git init" not in capsys.readouterr().err


def test_uncommitted_changes_are_rendered_from_head(copier_template: Path, tmp_path: Path) -> None:
    dirty = tmp_path / "template"
    shutil.copytree(copier_template, dirty)
    (dirty / FILES.name / README).write_text("# Changed {{ project_name }}\n", "utf-8")
    project = render_template(dirty, tmp_path / "project")
    assert (project / "README.md").read_text("utf-8") == "# Changed My Agent\n"


def test_the_message_lists_next_commands(
    copier_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = render_template(copier_template, tmp_path / "my agent's", quiet=False)
    message = capsys.readouterr().err
    commands = [line.strip() for line in message.splitlines() if line.startswith("    ")]
    changed = subprocess.run(f"{commands[0]} && pwd", shell=True, capture_output=True, text=True, check=True)
    assert changed.stdout.strip() == str(project)
    assert commands[1].startswith("uv run my-agent dev")
    assert commands[2] == "uv run pytest"
    assert "git init" in message


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("gh:acme/it", "https://github.com/acme/it.git"),
        ("gh:acme/it.git", "https://github.com/acme/it.git"),
        ("gl:acme/desks/it", "https://gitlab.com/acme/desks/it.git"),
        ("git@github.com:acme/it.git", "git@github.com:acme/it.git"),
        ("git+https://git.acme.test/it", "git+https://git.acme.test/it"),
        ("https://someone:secret@git.acme.test/it.git", "https://git.acme.test/it.git"),
        ("git+https://secret@git.acme.test/it", "git+https://git.acme.test/it"),
        ("/srv/it", "/srv/it"),
        ("~/it", "~/it"),
        ("../it", str(Path.cwd().parent / "it")),
    ],
)
def test_the_full_address_of_a_template_is_recorded(given: str, recorded: str) -> None:
    """Renovate's copier manager follows https addresses only, and a relative path would depend on the folder."""
    source = FILES / "{{ _copier_conf.answers_file }}.jinja"
    text = environment().from_string(source.read_text("utf-8")).render(_copier_answers={"_src_path": given})
    assert yaml.safe_load(text) == {"_src_path": recorded}
