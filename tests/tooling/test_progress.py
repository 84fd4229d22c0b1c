"""A run of tests prints what is running and how far it is, without a terminal and from every process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import progress
from tests.support.template import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONFTEST = """
from tests.support import progress

progress.LONG, progress.EVERY = 0, 0.05

def pytest_sessionstart(session):
    progress.show(session.config)
"""
TESTS = """
import time
from pathlib import Path

from tests.support.progress import running

HERE = Path(__file__).parent

def test_of_a_variant():
    log = HERE / "log.txt"
    log.write_text("$ uv sync\\n[100%]\\n$ uv run pytest\\n.... [ 12%]\\n....... [ 61%]\\n..")
    with running("uv run pytest", log):
        deadline = time.monotonic() + 30
        while not (HERE / "seen").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)

def test_of_nothing(): pass
"""


def test_a_run_says_what_is_running_and_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    (tmp_path / "test_it.py").write_text(TESTS, "utf-8")
    command = [sys.executable, "-m", "pytest", "--quiet", "-p", "xdist", "-n2", "--rootdir", "."]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    variables = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # all plugins take seconds to start
    with subprocess.Popen(command, cwd=tmp_path, env=environment | variables, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        lines = []
        for line in run.stdout:
            lines.append(line)
            if "test_it.py::test_of_a_variant (" in line and "s: uv run pytest 61%)" in line:
                (tmp_path / "seen").touch()
    text = "".join(lines)
    assert run.returncode == 0, text
    assert (tmp_path / "seen").exists(), text
    assert " of 2 tests; running: " in text
    assert "test_it.py::test_of_a_variant took " in text


def test_the_name_of_a_test_is_short() -> None:
    assert progress.short("tests/build/test_agent.py::test_it[default]@default") == "test_agent.py::test_it[default]"


def test_a_command_that_ended_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress.DIRECTORY, str(tmp_path))
    (tmp_path / "log.txt").touch()
    with progress.running("uv sync", tmp_path / "log.txt"):
        assert list(progress.commands(tmp_path).values()) == ["uv sync"]
    assert progress.commands(tmp_path) == {}
