"""Reads requests of HTTP/1.1 from sockets: with a deadline, and with an answer for what cannot be read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ..observability.access_log import OTHER, REQUESTS
from ..problems import MEDIA_TYPE, phrase
from ..security.headers import HEADERS
from ..sockets import plain

log = structlog.get_logger()

ANSWER_SECONDS = 5.0  # for the application to answer 408 to a body that is late, before the connection ends


class Protocol(HttpToolsProtocol):
    """uvicorn's, which has a deadline between requests (KEEP_ALIVE_SECONDS) but none within one.

    Headers have `read_seconds`, from the first byte or from the connection. `security/request_limits.py` gives as
    long to a body, and answers; a connection whose body then still does not end is closed here.
    """

    read_seconds: float
    _deadline: asyncio.TimerHandle | None = None
    _has_data = False
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # before the first request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if self.client is not None:
            self.client = (plain(self.client[0]), self.client[1])
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._has_data = True
        self._expect_headers()  # empty lines before a request begin none, and have ended the wait between requests
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_headers()  # of a request that came with the end of another

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._expect(self.read_seconds + ANSWER_SECONDS, self._body_is_late)

    def on_message_complete(self) -> None:
        self._expect_nothing()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._expect_nothing()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)
        log.info("a request could not be read", client=self.client[0] if self.client else None)

    def _expect_headers(self) -> None:
        if self._deadline is None:
            self._expect(self.read_seconds, self._headers_are_late)

    def _expect(self, seconds: float, otherwise: Callable[[], None]) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, otherwise)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _headers_are_late(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # of the request before: its response ends the connection
        elif self._has_data:
            self._refuse(408, f"The headers did not arrive within {self.read_seconds:g} seconds.")
        else:
            self.transport.close()

    def _body_is_late(self) -> None:
        if self.flow.read_paused:  # because of the application: it has more than it has read yet
            self._expect(self.read_seconds, self._body_is_late)
        else:
            self.transport.abort()

    def _refuse(self, status: int, detail: str) -> None:
        title = phrase(status)
        body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
        fields = {**HEADERS, "content-type": MEDIA_TYPE, "content-length": len(body), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.transport.write(f"HTTP/1.1 {status} {title}\r\n{head}\r\n".encode() + body)
        self.transport.close()
        REQUESTS.labels(OTHER, OTHER, str(status)).inc()
