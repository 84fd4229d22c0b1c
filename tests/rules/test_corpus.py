"""In realistic code, each line that breaks a rule is found by its check, and no other line is."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.rules import corpus
from tests.rules.projects import installed
from tests.support.template import ROOT

if TYPE_CHECKING:
    from tests.conftest import Render

Found = dict[str, set[tuple[str, int, str]]]
LEAST_VIOLATIONS = 200  # lines
LEAST_LAWFUL = 40  # snippets: statements at the top of their files

pytestmark = pytest.mark.xdist_group("rules")


@pytest.fixture(scope="module", params=["procrastinate", "celery"])
def found(request: pytest.FixtureRequest, render: Render, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """All findings of the static checks in the planted corpus, in lawful code and in violations."""
    project = installed(render(task_queue=request.param), tmp_path_factory.mktemp("corpus") / "project")
    program = ROOT / "tests/programs/plant_corpus.py"
    done = subprocess.run([".venv/bin/python", program], cwd=project, capture_output=True, text=True, check=True)
    return {name: {(at, line, check) for at, line, check in each} for name, each in json.loads(done.stdout).items()}


@pytest.mark.parametrize("file", corpus.VIOLATIONS)
def test_only_lines_that_break_a_rule_are_found(found: Found, file: str) -> None:
    assert {each for each in found["violations"] if each[0] == file} == set(corpus.expected(file))


@pytest.mark.parametrize("file", corpus.LAWFUL)
def test_lawful_code_passes(found: Found, file: str) -> None:
    assert {each for each in found["lawful"] if each[0] == file} == set()


def test_nothing_is_found_elsewhere(found: Found) -> None:
    planted = {*corpus.VIOLATIONS, *corpus.LAWFUL}
    assert {each for all_found in found.values() for each in all_found if each[0] not in planted} == set()


def test_the_corpus_is_large_enough() -> None:
    lines = [each for file in corpus.VIOLATIONS for each in corpus.expected(file)]
    snippets = [each for text in corpus.LAWFUL.values() for each in re.findall(r"^[A-Za-z@]", text, re.MULTILINE)]
    assert len(lines) >= LEAST_VIOLATIONS
    assert len(snippets) >= LEAST_LAWFUL
