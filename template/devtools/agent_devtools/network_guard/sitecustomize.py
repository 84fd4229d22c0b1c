"""Forbids connections to other machines in the process that imports it.

Python imports a module of this name on start if it is in PYTHONPATH, as in all processes that tests start.
NETWORK_GUARD_ALLOW lists exceptions: the servers in the developer's DATABASE_URL and REDIS_URL.
"""

import os
import sys

ALLOWED = {"", "localhost", "::1", "::", "0.0.0.0", *os.environ.get("NETWORK_GUARD_ALLOW", "").split(",")}  # noqa: S104
# The position of the address in the arguments of each audit event.
EVENTS = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0}


class ConnectionForbidden(RuntimeError):
    """Not an `OSError`, so that code for unreachable networks does not handle it."""


def guard(event: str, arguments: tuple[object, ...]) -> None:
    if event not in EVENTS:
        return
    address = arguments[EVENTS[event]]
    host = address[0] if isinstance(address, tuple) else address if event == "socket.getaddrinfo" else None
    if isinstance(host, bytes):
        host = host.decode()
    # Other types are addresses of other families, such as Unix sockets.
    if isinstance(host, str) and host not in ALLOWED and not host.startswith("127."):
        raise ConnectionForbidden(f"tests may not use the network: {event} to {host}")


sys.addaudithook(guard)
