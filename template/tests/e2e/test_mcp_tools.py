"""A call of an MCP server whose process is killed (rules 6.1 and 9.1)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent_devtools.dev_servers import free_port
from tests.support.mcp_serving import serving
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

    Connect = Callable[[RunningProcess], Api]


def test_a_call_is_repeated_with_the_same_key_after_the_death_of_its_process(
    replicas: list[RunningProcess], processes: Processes, api: Connect, tmp_path: Path
) -> None:
    keys, port = tmp_path / "keys", free_port()
    servers = {
        "things": {"url": f"http://127.0.0.1:{port}/mcp", "tools": ["hold"], "approve": []},
        "noise": {"command": [sys.executable, "-c", "print('planted contents')"], "tools": ["*"]},
    }
    settings = {"MCP_SERVERS": json.dumps(servers), "TOOL_HTTP_ALLOWED_NETWORKS": "127.0.0.1"}
    workers = processes.with_environment(TURN_LEASE_SECONDS="1", **settings)
    client = api(replicas[0])
    with serving("http", port):
        doomed = workers.start("worker")
        for event in ("mcp_server_available", "mcp_server_unavailable"):
            doomed.wait_for(event)
        said = f"call things_hold {json.dumps({'path': str(keys)})}"
        location = client.send(client.create_session(), said, prefer="respond-async").headers["location"]
        wait_until(keys.is_file)
        doomed.kill()
        workers.start("worker", wait=False)  # like a platform
        assert client.wait_for_turn(location)["response"].endswith("done")
    first, second = keys.read_text("utf-8").splitlines()
    assert first == second
    assert "planted" not in doomed.output, "the SDK would log what a server sends"
