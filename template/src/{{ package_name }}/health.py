"""The container's health check (rule 5.1): `python -m <package>.health [web|worker|scheduler]`.

It runs every few seconds beside the process, so it imports next to nothing, and reads no settings but the ports.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

# The setting that names the port of each process, and its default.
PORTS = {"web": ("PORT", "8000"), "worker": ("METRICS_PORT", "9000"), "scheduler": ("METRICS_PORT", "9000")}
SECONDS = 5.0  # less than the image's HEALTHCHECK waits


def main() -> int:
    """Exit code 0 when the process answers that it lives, 1 when it does not, 2 when there is no such process."""
    name = sys.argv[1] if len(sys.argv) > 1 else _process_of_container()
    if name not in PORTS:
        sys.stderr.write(f"name a process: {', '.join(PORTS)}\n")
        return 2
    variable, default = PORTS[name]
    port = os.environ.get(variable) or default
    try:
        status = _status(int(port))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{name} does not answer on port {port}: {error}\n")
        return 1
    sys.stdout.write(f"{name}: {status}\n")
    return 0 if status.startswith("HTTP/1.1 200 ") else 1


def _process_of_container() -> str:
    """The last argument of the container's first process, which is how that is started (Procfile)."""
    try:
        return Path("/proc/1/cmdline").read_bytes().rstrip(b"\0").split(b"\0")[-1].decode()
    except OSError:
        return ""


def _status(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            return answer.readline().decode("latin-1").strip()


if __name__ == "__main__":
    sys.exit(main())
