"""Two web processes that stand for the whole run, for tests that neither stop them nor need settings of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.processes import Processes, RunningProcess


@pytest.fixture(scope="session")
def replicas(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RunningProcess]]:
    started = Processes(environment, tmp_path_factory.mktemp("replicas"))
    replicas = [started.start("web", wait=False) for _ in range(2)]
    for replica in replicas:
        replica.wait_ready()
    yield replicas
    started.stop()
