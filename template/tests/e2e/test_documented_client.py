"""The client of the documentation, against real processes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest

from agent_devtools.dev_servers import free_port
from tests.support import ROOT
from tests.support.api import Api
from tests.support.processes import Processes, RunningProcess, wait_until

EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MESSAGE = "wait 3 seconds"


@pytest.fixture
def example() -> str:
    """The program, with a message whose answer takes time."""
    [found] = EXAMPLE.findall((ROOT / "docs" / "calling.md").read_text("utf-8"))
    assert found.count('"Hello"') == 1
    return str(found).replace('"Hello"', f'"{MESSAGE}"')


def test_the_documented_client_in_python_survives_the_death_of_its_server(
    example: str, processes: Processes, api: Callable[[RunningProcess], Api], token: str
) -> None:
    processes = processes.with_environment(TURN_LEASE_SECONDS="1", PORT=str(free_port()))
    web = processes.start("web")
    processes.start("worker", METRICS_PORT="0")
    asking = processes.run([sys.executable, "-c", example], name="client", AGENT_URL=web.url, AGENT_TOKEN=token)
    http = api(web).http
    wait_until(lambda: [each for each in http.get("/chat/sessions").json()["sessions"] if each["turn_count"]])
    web.kill()
    processes.start("web")
    assert asking.wait() == 0, asking.output
    assert asking.output == f'(offline) This is message 1 of our conversation. You said: "{MESSAGE}".\n'
