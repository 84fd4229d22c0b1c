"""The client of the documentation, against real processes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_devtools.dev_servers import free_port
from tests.support import ROOT
from tests.support.api import Api
from tests.support.processes import Processes, RunningProcess, wait_until

EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MESSAGE = "wait 3 seconds"
PNG = b"\x89PNG\r\n\x1a\n"


def examples() -> list[str]:
    return [str(found) for found in EXAMPLE.findall((ROOT / "docs" / "calling.md").read_text("utf-8"))]


@pytest.fixture
def example() -> str:
    """The program, with a message whose answer takes time."""
    found, _ = examples()
    assert found.count('"Hello"') == 1
    return found.replace('"Hello"', f'"{MESSAGE}"')


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


def test_the_documented_client_sends_a_file(
    replicas: list[RunningProcess], processes: Processes, token: str, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(PNG)
    _, program = examples()
    assert program.count('"photo.png"') == 1
    program = program.replace('"photo.png"', repr(str(photo)))
    url = replicas[0].url
    sending = processes.run([sys.executable, "-c", program], name="client", AGENT_URL=url, AGENT_TOKEN=token)
    assert sending.wait() == 0, sending.output
    assert sending.output.endswith(f'You said: "What is this?". I see image/png of {len(PNG)} bytes.\n')
