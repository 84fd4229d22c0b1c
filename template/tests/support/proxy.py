"""A TCP proxy that can discard all data, like a firewall that has forgotten a connection."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """A proxy in front of the server at `url`; discards data while `swallows` is true."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._served: set[asyncio.Task[None]] = set()
        self.swallows = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self._served:
            connection.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._to.netloc.rpartition('@')[0]}@" if "@" in self._to.netloc else ""
        return self._to._replace(netloc=f"{user}127.0.0.1:{port}").geturl()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._served.add(connection)
        connection.add_done_callback(self._served.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
            with closing(back):
                await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer), return_exceptions=True)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if not self.swallows:
                target.write(data)
                await target.drain()
        target.close()
