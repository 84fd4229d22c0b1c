"""The container's health check (rule 5.1): `python -m <package>.healthcheck [web|worker|scheduler]`.

It runs every few seconds beside the process, so it imports very little, and reads only HOST and the ports.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

# The setting that names the port of each process, and its default.
PORTS = {"web": ("PORT", "8000"), "worker": ("METRICS_PORT", "9000"), "scheduler": ("METRICS_PORT", "9000")}
# Where to connect to a process that listens on all addresses.
LOOPBACK = {"0.0.0.0": ["127.0.0.1"], "::": ["::1", "127.0.0.1"]}  # noqa: S104 - nothing listens here
SECONDS = 5.0  # less than the image's HEALTHCHECK waits


def main() -> int:
    """The exit code: 0 if the process is healthy, 1 if not, 2 if there is no process of that name."""
    name = sys.argv[1] if len(sys.argv) > 1 else _process_of_container()
    if name not in PORTS:
        sys.stderr.write(f"name a process: {', '.join(PORTS)}\n")
        return 2
    host, port = _setting("HOST", "0.0.0.0"), _setting(*PORTS[name])  # noqa: S104 - the default of the setting
    hosts = LOOPBACK.get(host, [host])
    try:
        status = _status(hosts, int(port))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{name} does not answer on {' or '.join(hosts)}, port {port}: {error}\n")
        return 1
    sys.stdout.write(f"{name}: {status}\n")
    return 0 if status.startswith("HTTP/1.1 200 ") else 1


def _setting(name: str, default: str) -> str:
    """Reads a setting as config.py does: from a mounted file, the environment or .env."""
    mounted = Path(os.environ.get("SECRETS_DIR", "/run/secrets"), name)
    with suppress(OSError):
        return mounted.read_text(encoding="utf-8").strip()
    if value := os.environ.get(name):
        return value
    with suppress(OSError):
        for line in Path(".env").read_text(encoding="utf-8").splitlines():
            key, _, value = line.strip().removeprefix("export ").partition("=")
            if key.strip() == name and (value := value.partition(" #")[0].strip().strip("\"'")):
                return value
    return default


def _process_of_container() -> str:
    """The last argument of the container's first process, which is the name of the process (Procfile)."""
    try:
        return Path("/proc/1/cmdline").read_bytes().rstrip(b"\0").split(b"\0")[-1].decode()
    except OSError:
        return ""


def _status(hosts: list[str], port: int) -> str:
    with _connected(hosts, port) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            return answer.readline().decode("latin-1").strip()


def _connected(hosts: list[str], port: int) -> socket.socket:
    """A connection to the first host that accepts it: without IPv6, `::` means IPv4 only."""
    *others, last = hosts
    for host in others:
        with suppress(OSError):
            return socket.create_connection((host, port), SECONDS)
    return socket.create_connection((last, port), SECONDS)


if __name__ == "__main__":
    sys.exit(main())
