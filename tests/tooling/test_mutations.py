"""Defects planted in a copy of this repository, and the test that has to catch each.

The same run shows that these tests pass without the defects.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.git import commit
from tests.support.template import README, export, working_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.mutation

PACKAGE = "src/{{ package_name }}"


def edit(path: Path, pattern: str, new: str) -> None:
    """Replace the first match of a pattern in a file."""
    text, count = re.subn(pattern, lambda _: new, path.read_text("utf-8"), count=1, flags=re.MULTILINE)
    assert count == 1, f"{path} has no {pattern}"
    path.write_text(text, "utf-8")


def missing_suffix(root: Path) -> None:
    (root / "template" / README).rename(root / "template" / README.removesuffix(".jinja"))


def wrong_default(root: Path) -> None:
    edit(root / "copier.yml", r"^  default: procrastinate$", "  default: celery")


def unescaped_quote(root: Path) -> None:
    edit(root / "template/pyproject.toml.jinja", r"^description = .*$", 'description = "{{ project_description }}"')


def forgotten_condition(root: Path) -> None:
    folder = root / "template" / PACKAGE / "services/implementations"
    (folder / "{% if task_queue == 'celery' %}celery_queue.py{% endif %}").rename(folder / "celery_queue.py")


def leftover_file(root: Path) -> None:
    (root / "template/{% if task_queue == 'celery' and ci == 'procrastinate' %}old.txt{% endif %}").write_text(
        "Old.\n", "utf-8"
    )


def wrong_indentation(root: Path) -> None:
    edit(root / "template/compose.yaml.jinja", r"^  postgres:$", " postgres:")


def dropped_lock_guard(root: Path) -> None:
    path = root / "template/uv.lock.jinja"
    text = path.read_text("utf-8")
    start = text.index("{% if task_queue == 'celery' %}\n")
    stop = text.index("{% endif %}\n", start)
    guarded = text[start:stop].partition("\n")[2]
    path.write_text(text[:start] + guarded + text[stop:].partition("\n")[2], "utf-8")


def hard_coded_name(root: Path) -> None:
    edit(root / "template/tests/conftest.py.jinja", r"^from {{ package_name }}\.", "from my_agent.")


def missing_mode(root: Path) -> None:
    scripts = [
        path for path in (root / "template").rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!")
    ]
    scripts[0].chmod(0o644)


def hostile_name(root: Path) -> None:
    (root / "template/docs/what?.md").write_text("# What?\n\nThat.\n", "utf-8")


@pytest.mark.parametrize(
    ("break_it", "caught_by"),
    [
        (missing_suffix, "render/test_template.py::test_only_files_whose_text_varies_have_the_suffix"),
        (wrong_default, "render/test_template.py::test_the_questions_are_documented"),
        (unescaped_quote, "render/test_answers.py::test_any_text_is_rendered_literally"),
        (forgotten_condition, "render/test_render.py::test_rendered_files_are_sound[default]"),
        (leftover_file, "render/test_template.py::test_no_choice_is_unknown"),
        (wrong_indentation, "render/test_render.py::test_rendered_files_are_sound[default]"),
        (dropped_lock_guard, "render/test_render.py::test_the_rendered_lock_is_up_to_date[default]"),
        (hard_coded_name, "render/test_template.py::test_no_name_is_hard_coded"),
        (missing_mode, "render/test_template.py::test_scripts_and_only_scripts_are_executable"),
        (hostile_name, "render/test_template.py::test_paths_are_valid_on_windows"),
    ],
)
def test_defects_are_caught(break_it: Callable[[Path], None], caught_by: str, tmp_path: Path) -> None:
    root = export(working_tree(), tmp_path / "repository")
    commit(root, "Before")
    break_it(root)
    assert outcome(root, caught_by) == 1


def outcome(root: Path, test: str) -> int:
    """Return pytest's exit code for one test of a repository: 0 or 1."""
    command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", f"tests/{test}"]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    ran = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)
    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    return ran.returncode
