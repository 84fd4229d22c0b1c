"""HTTP for tools, to public addresses only, since prompt injection can make a model request any URL (SSRF).

Each name is resolved once, all its addresses are checked, and the connection uses a checked address, so that neither
DNS rebinding nor a redirect reaches another host. TOOL_HTTP_ALLOWED_NETWORKS opens further addresses to tools.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

import structlog

from ..setting_types import listed

if TYPE_CHECKING:
    import httpx2

    from ..config import Settings

log = structlog.get_logger()

Address = IPv4Address | IPv6Address
NAT64: Final = IPv6Network("64:ff9b::/96")
# Special or internal, although `ipaddress` of some Python versions considers them global.
INTERNAL: Final = [
    ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure: DNS, health probes and agent of every virtual network
        "161.26.0.0/16",  # IBM Cloud: services of every virtual network
        "192.0.0.0/24",  # IETF protocol assignments, and Oracle Cloud metadata
        "192.52.193.0/24",  # AMT relays (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "64:ff9b:1::/48",  # local-use NAT64 (RFC 8215)
        "100::/32",  # discard and dummy prefixes (RFC 6666, RFC 9780)
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, AMT
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment routing (RFC 9602)
        "fec0::/10",  # site-local (RFC 3879)
    )
]
MAX_REDIRECTS: Final = 5
FOLLOWS: Final = "outbound_follows_redirects"  # an extension of requests
LASTING: Final = (401, 403, 429)  # statuses that a client cannot change
BODY_HEADERS: Final = ("content-encoding", "content-length", "transfer-encoding")


class OutboundRefused(Exception):
    """A tool may not reach this host, or the response is too large. The message, for the model, names the host.

    With DEBUG, as in development, it also names the address and the setting that allows it.
    """


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet. An IPv4 address embedded in an IPv6 address decides for it."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    special = address.is_multicast or address.is_reserved or any(address in network for network in INTERNAL)
    return address.is_global and not special


class OutboundHttp:
    """Implements `HttpClient`. Creates its client on first use."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = [ip_network(part) for part in listed(settings.TOOL_HTTP_ALLOWED_NETWORKS)]
        self._debug = settings.DEBUG
        self._max_bytes = settings.TOOL_HTTP_MAX_BYTES
        self._timeout = settings.TOOL_TIMEOUT_SECONDS
        self._client: httpx2.AsyncClient | None = None

    async def request(self, method: str, url: str, *, follow_redirects: bool = True, **options: Any) -> httpx2.Response:
        """As `httpx2.AsyncClient.request`. Raises `OutboundRefused` and `httpx2.HTTPError`."""
        import httpx2

        if self._client is None:
            transport = _transport(self._checked_address)
            self._client = httpx2.AsyncClient(transport=transport, timeout=self._timeout, max_redirects=MAX_REDIRECTS)
        options["follow_redirects"] = follow_redirects
        options["extensions"] = {**options.get("extensions", {}), FOLLOWS: follow_redirects}
        async with self._client.stream(method, url, **options) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._max_bytes:
                    raise OutboundRefused(f"{response.url.host} answered with more than {self._max_bytes} bytes.")
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in BODY_HEADERS]
        return httpx2.Response(response.status_code, headers=headers, content=bytes(body), request=response.request)

    def streaming(self, headers: Mapping[str, str]) -> httpx2.AsyncClient:
        """A client for a protocol that streams its responses. Its requests and their sizes are limited alike.

        It raises an error for a status that no other request would change. The caller closes it.
        """
        import httpx2

        client = httpx2.AsyncClient(
            transport=_transport(self._checked_address),
            timeout=httpx2.Timeout(self._timeout, read=None),  # the caller limits the wait for the next event
            headers={"Accept-Encoding": "identity", **headers},
        )
        client.event_hooks["response"].append(self._limit)
        return client

    async def _limit(self, response: httpx2.Response) -> None:
        if response.status_code in LASTING or response.is_server_error:
            await response.aclose()
            response.raise_for_status()
        response.stream = _limited(response, self._max_bytes)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _checked_address(self, host: str, port: int) -> str:
        """An address of `host` to connect to. Raises `OutboundRefused` if any of its addresses is not allowed."""
        addresses = await _addresses(host, port)
        for address in addresses:
            if not is_public(address) and not any(address in network for network in self._allowed):
                setting = f"TOOL_HTTP_ALLOWED_NETWORKS={address}"
                log.warning(
                    "outbound_request_refused", host=host, address=str(address), remedy=f"to allow it, set {setting}"
                )
                remedy = f" It is at {address}: {setting} allows that." if self._debug else ""
                raise OutboundRefused(f"The host {host} is not on the public internet.{remedy}")
        return str(addresses[0])


async def _addresses(host: str, port: int) -> list[Address]:
    with suppress(ValueError):
        return [ip_address(host)]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise OutboundRefused(f"The host {host} is unknown.") from None
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _limited(response: httpx2.Response, max_bytes: int) -> httpx2.AsyncByteStream:
    """The body of the response, up to `max_bytes`, after which it raises `OutboundRefused`."""
    import httpx2

    sent = response.stream
    assert isinstance(sent, httpx2.AsyncByteStream)  # noqa: S101 - the client is asynchronous
    body: httpx2.AsyncByteStream = sent
    if response.headers.get("content-encoding", "identity") != "identity":
        raise OutboundRefused(f"{response.url.host} answered with compressed data, which was not requested.")

    class Limited(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = max_bytes
            async for part in body:
                left -= len(part)
                if left < 0:
                    raise OutboundRefused(f"{response.url.host} answered with more than {max_bytes} bytes.")
                yield part

        async def aclose(self) -> None:
            await body.aclose()

    return Limited()


def _transport(checked_address: Callable[[str, int], Awaitable[str]]) -> httpx2.AsyncBaseTransport:
    import httpx2

    class Guarded(httpx2.AsyncHTTPTransport):
        """Checks each request, including those of redirects, immediately before its connection is opened."""

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            url = request.url
            port = url.port or (443 if url.scheme == "https" else 80)
            request.extensions = {**request.extensions, "sni_hostname": url.host}
            request.url = url.copy_with(host=await checked_address(url.host, port))
            try:
                response = await super().handle_async_request(request)
            finally:
                request.url = url
            if request.extensions.get(FOLLOWS, True) and response.has_redirect_location:
                await response.aclose()  # without its body, which may be unlimited
                return httpx2.Response(response.status_code, headers=response.headers)
            return response

    # No connection is reused: another host may have the same address and another certificate.
    return Guarded(limits=httpx2.Limits(max_keepalive_connections=0))
