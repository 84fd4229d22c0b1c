"""No test reaches the network, by mistake or otherwise."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agent_devtools.network_guard import sitecustomize

ELSEWHERE = ("192.0.2.1", 80)  # reserved for documentation (RFC 5737): nobody is there


def test_a_connection_off_this_machine_is_forbidden() -> None:
    with socket.socket() as connection, pytest.raises(sitecustomize.ConnectionForbidden, match=r"192\.0\.2\.1"):
        connection.connect(ELSEWHERE)


def test_a_name_is_not_looked_up_either() -> None:
    with pytest.raises(sitecustomize.ConnectionForbidden, match=r"example\.com"):
        socket.getaddrinfo("example.com", 443)


def test_loopback_and_unix_sockets_are_allowed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as connection:
        path = os.path.relpath(tmp_path / "socket", Path.cwd())  # an absolute one may be longer than sockets allow
        server.bind(path)
        server.listen()
        connection.connect(path)
        assert connection.getpeername() == path


def test_processes_that_tests_start_are_guarded_too(environment: dict[str, str]) -> None:
    connect = f"import socket; socket.create_connection({ELSEWHERE!r}, timeout=1)"
    done = subprocess.run([sys.executable, "-c", connect], env=environment, capture_output=True, text=True, check=False)
    assert "ConnectionForbidden" in done.stderr
