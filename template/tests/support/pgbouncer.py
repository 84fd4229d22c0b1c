"""PgBouncer in front of the tests' PostgreSQL, if Debian's package `pgbouncer` is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

START_SECONDS = 30.0
MISSING = "pgbouncer is missing: install Debian's package `pgbouncer` to test connection poolers"
SETTINGS = {"pool_mode": "transaction", "default_pool_size": "4", "max_client_conn": "500"}


@contextmanager
def pgbouncer(directory: Path, port: int, server_url: str, settings: Mapping[str, str]) -> Iterator[str]:
    """The URL of a PgBouncer at `port`, for every database of the server at `server_url`."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(MISSING)
    given = conninfo_to_dict(server_url)
    server = {name: str(given[name]) for name in ("host", "port", "user", "password") if given.get(name)}
    options = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",
        **SETTINGS,
        **settings,
    }
    databases = f"* = {make_conninfo('', **server)}"
    lines = ["[databases]", databases, "[pgbouncer]", *(f"{name} = {value}" for name, value in options.items())]
    file = directory / f"pgbouncer-{port}.ini"
    file.write_text("\n".join([*lines, ""]))
    file.chmod(0o644)
    identity = ["--user", "nobody"] if os.geteuid() == 0 else []  # PgBouncer does not run as root
    with (directory / f"pgbouncer-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *identity, str(file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(port, process)
        user = server.get("user", "")
        yield urlsplit(server_url)._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)  # nothing announces that the port is open
    raise AssertionError(f"pgbouncer did not start: exit code {process.poll()}")
