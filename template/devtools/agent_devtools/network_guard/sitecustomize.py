"""Forbids every connection off this machine, in the process that imports it.

Python imports a module of this name when it starts and finds it in PYTHONPATH: so do the processes that tests start.
Servers that the developer names in DATABASE_URL and REDIS_URL are allowed, by NETWORK_GUARD_ALLOW.
"""

import os
import sys

ALLOWED = {"", "localhost", "::1", "::", "0.0.0.0", *os.environ.get("NETWORK_GUARD_ALLOW", "").split(",")}  # noqa: S104
# Where in the arguments of each audit event the address stands.
EVENTS = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0}


class ConnectionForbidden(RuntimeError):
    """No `OSError`: code that copes with an unreachable network must not cope with this."""


def guard(event: str, arguments: tuple[object, ...]) -> None:
    if event not in EVENTS:
        return
    address = arguments[EVENTS[event]]
    host = address[0] if isinstance(address, tuple) else address if event == "socket.getaddrinfo" else None
    if isinstance(host, bytes):
        host = host.decode()
    # Anything but text is an address of another family, such as a Unix socket's.
    if isinstance(host, str) and host not in ALLOWED and not host.startswith("127."):
        raise ConnectionForbidden(f"tests may not use the network: {event} to {host}")


sys.addaudithook(guard)
