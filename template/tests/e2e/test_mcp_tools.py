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

NOISE = "import sys; print('planted contents'); sys.exit('planted contents')"


def test_a_call_is_repeated_with_the_same_key_after_the_death_of_its_process(
    replicas: list[RunningProcess], processes: Processes, api: Connect, tmp_path: Path
) -> None:
    keys, port = tmp_path / "keys", free_port()
    servers = {
        "things": {"url": f"http://127.0.0.1:{port}/mcp", "tools": ["hold"], "approve": []},
        "noise": {"command": [sys.executable, "-c", NOISE], "tools": ["*"]},
    }
    settings = {"MCP_SERVERS": json.dumps(servers), "TOOL_HTTP_ALLOWED_NETWORKS": "127.0.0.1", "DEBUG": "false"}
    workers = processes.with_environment(TURN_LEASE_SECONDS="1", **settings)
    client = api(replicas[0])

    def holding() -> str:
        """The turn whose call hangs. Until the server has answered the worker, there is no such tool to call."""
        said = f"call things_hold {json.dumps({'path': str(keys)})}"
        turn: str = client.send(client.create_session(), said, prefer="respond-async").headers["location"]
        wait_until(lambda: keys.is_file() or client.turn(turn)["status"] == "succeeded")
        return turn if keys.is_file() else ""

    with serving("http", port):
        doomed = workers.start("worker")
        location = wait_until(holding)
        doomed.wait_for("mcp_server_unavailable")
        doomed.kill()
        workers.start("worker", wait=False)  # like a platform
        assert client.wait_for_turn(location)["response"].endswith("done")
    first, second = keys.read_text("utf-8").splitlines()
    assert first == second
    assert "planted" not in doomed.output, "by default, the SDK logs what a server sends, and DEBUG shows its stderr"
