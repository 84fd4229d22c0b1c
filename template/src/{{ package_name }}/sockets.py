"""Sockets to listen on (rule 7.1). `::` also accepts IPv4, which asyncio and uvloop disable."""

from __future__ import annotations

import socket


class CannotListen(Exception):
    """Raised if an address is in use or not one of this machine. The message is for people."""


def bind(host: str, port: int, setting: str) -> list[socket.socket]:
    """Bind a socket to each address of `host`; none listens yet. Raises `CannotListen`, which names the setting."""
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            bound = socket.socket(family, kind, protocol)
            sockets.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
            bound.bind(address)
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise CannotListen(f"{setting}: cannot listen on {shown(host, port)} ({error.strerror or error})") from None
    return sockets


def shown(host: str, port: int) -> str:
    """The address as in URLs, with an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plain(host: str) -> str:
    """A client's address, as IPv4 where a socket for both families reports ::ffff:192.0.2.1."""
    mapped = host.removeprefix("::ffff:")
    return mapped if "." in mapped else host
