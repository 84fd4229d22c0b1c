"""A TCP proxy that swallows what it is sent when told to, as a firewall does that forgot a connection."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Stands before the server that `url` names."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._open = AsyncExitStack()
        self.swallows = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._open.callback(self._server.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._to.netloc.rpartition('@')[0]}@" if "@" in self._to.netloc else ""
        return self._to._replace(netloc=f"{user}127.0.0.1:{port}").geturl()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._open.callback(writer.close)
        self._open.callback(back.close)
        await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer), return_exceptions=True)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if not self.swallows:
                target.write(data)
                await target.drain()
        target.close()
