"""How these tests are run."""

from __future__ import annotations

import gc

import pytest

VARIABLE = "PYTEST_XDIST_AUTO_NUM_WORKERS"


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


def test_garbage_is_collected_though_not_in_what_was_imported() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
