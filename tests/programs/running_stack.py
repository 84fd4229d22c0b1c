"""Run a rendered project's processes over embedded servers until the input ends. The project's Python runs this file.

    python running_stack.py PACKAGE [servers]

Prints one line of JSON once all are ready: ports, process ids and tokens by scope; with `servers`, only the settings
with the addresses of the servers.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path


def answers(port: int) -> bool:
    """Whether the process on a port is ready."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def main(package: str, only: str = "") -> None:
    dev_servers = import_module("agent_devtools.dev_servers")
    directory = Path(tempfile.mkdtemp(prefix="stack-"))
    directory.chmod(0o711)  # PostgreSQL runs as another user
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        servers = [dev_servers.PostgresServer(directory / "postgres"), dev_servers.ValkeyServer(directory / "valkey")]
        postgres, valkey = (stack.enter_context(server) for server in servers)
        settings = {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}
        if only == "servers":
            print(json.dumps(settings), flush=True)
            sys.stdin.read()
            return
        os.environ |= {**settings, "ENVIRONMENT": "testing"}
        subprocess.run([sys.executable, "-m", f"{package}.management.cli", "migrate"], check=True, stdout=sys.stderr)
        ports = {name: dev_servers.free_port() for name in ("web", "worker", "scheduler")}
        pids = {}
        for name, port in ports.items():
            variable = "PORT" if name == "web" else "METRICS_PORT"
            process = subprocess.Popen(
                [sys.executable, "-m", f"{package}.processes", name],
                env={**os.environ, "HOST": "127.0.0.1", variable: str(port)},
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            pids[name] = process.pid
        deadline = time.monotonic() + 120
        while not all(map(answers, ports.values())):
            if time.monotonic() > deadline:
                sys.exit("the processes were not ready in 120 seconds")
            time.sleep(0.2)
        loaded = import_module(f"{package}.config").Settings(_env_file=None)
        issue = import_module(f"{package}.security.tokens").issue_token
        tokens = {scope: issue(loaded, "somebody", scopes=[scope]) for scope in ("user", "admin")}
        print(json.dumps({"ports": ports, "pids": pids, "tokens": tokens, "token": tokens["user"]}), flush=True)
        sys.stdin.read()


def exit_once(number: int, _: object) -> None:
    """Exit on the first signal, so that the servers stop even if the whole group gets it, and ignore others."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, exit_once)
    main(*sys.argv[1:])
