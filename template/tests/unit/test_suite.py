"""How these tests are run."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

VARIABLE = "PYTEST_XDIST_AUTO_NUM_WORKERS"
# The first process of the tests that begins ends at once.
DIES = """
import os, pathlib
if os.environ.get("PYTEST_XDIST_WORKER"):
    try:
        pathlib.Path("died").touch(exist_ok=False)
    except FileExistsError:
        pass
    else:
        os._exit(3)
"""


def test_there_are_two_workers_for_each_processor_unless_the_environment_says_how_many(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    xdist = pytestconfig.pluginmanager.get_plugin("xdist")
    if xdist is None:
        pytest.skip("pytest-xdist is switched off")
    monkeypatch.delenv(VARIABLE, raising=False)
    processors = xdist.pytest_xdist_auto_num_workers(pytestconfig)
    assert pytestconfig.hook.pytest_xdist_auto_num_workers(config=pytestconfig) == 2 * processors
    monkeypatch.setenv(VARIABLE, "5")
    assert pytestconfig.hook.pytest_xdist_auto_num_workers(config=pytestconfig) == 5


@pytest.mark.parametrize(("conftest", "passes"), [(DIES, False), ("", True)])
def test_a_process_that_dies_fails_the_run(tmp_path: Path, conftest: str, passes: bool) -> None:
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "--no-cov", "-n2", "."]
    command = [sys.executable, "-m", "pytest", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode == 0) == passes, ran.stdout + ran.stderr


def test_garbage_is_collected_though_not_in_what_was_imported() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000


def test_coverage_measures_branches_through_sys_monitoring(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("no_cov"):
        pytest.skip("coverage is switched off by --no-cov")
    if sys.version_info >= (3, 14):
        assert sys.monitoring.get_tool(sys.monitoring.COVERAGE_ID) == "coverage.py"
    else:
        pytest.skip("older Pythons report no branches to sys.monitoring")
