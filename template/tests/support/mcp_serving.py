"""Starts the MCP server of `mcp_server.py`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from .processes import wait_until

PROGRAM = str(Path(__file__).with_name("mcp_server.py"))
STDIO = [sys.executable, PROGRAM, "stdio"]
START_SECONDS = 300


@contextmanager
def serving(kind: str, port: int) -> Iterator[str]:
    """A server over HTTP, with or without stateless sessions; yields its address."""
    with subprocess.Popen([sys.executable, PROGRAM, kind, str(port)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _answers(port), START_SECONDS)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


def _answers(port: int) -> bool:
    try:
        httpx2.get(f"http://127.0.0.1:{port}/")
    except httpx2.TransportError:
        return False
    return True
