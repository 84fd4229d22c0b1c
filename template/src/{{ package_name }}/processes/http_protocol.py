"""uvicorn's HTTP/1.1 protocol with deadlines within a request, and a problem document for an unreadable one."""

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

ANSWER_SECONDS = 5.0  # for the application to answer 408 to a late body, before the connection ends


class Protocol(HttpToolsProtocol):
    """uvicorn limits the time between requests (KEEP_ALIVE_SECONDS) but not the time within one.

    Headers must arrive in `read_seconds`, counted from the connection or the end of the previous request.
    `security/request_limits.py` gives a body the same time and answers 408; if the body still continues after
    ANSWER_SECONDS, this class closes the connection.
    """

    read_seconds: float
    _timer: asyncio.TimerHandle | None = None
    _deadline = 0.0
    _on_timeout: Callable[[], None] | None = None
    _has_data = False
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # before the first request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn asks for a narrower type
        if self.client is not None:
            self.client = (plain(self.client[0]), self.client[1])
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._has_data = True
        self._expect_headers()  # empty lines start no request, but have ended uvicorn's wait for one
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_headers()  # of a pipelined request

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._expect(self.read_seconds + ANSWER_SECONDS, self._abort_late_body)

    def on_message_complete(self) -> None:
        self._expect_nothing()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)
        log.info("request_unreadable", client=self.client[0] if self.client else None)

    def _expect_headers(self) -> None:
        if self._on_timeout is None:
            self._expect(self.read_seconds, self._refuse_late_headers)

    def _expect(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        """Call `on_timeout` after `seconds`, unless something else is expected by then.

        A timer that runs keeps running and looks at the latest deadline: two new ones per request would take 5 µs.
        """
        self._deadline = self.loop.time() + seconds
        self._on_timeout = on_timeout
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.loop.call_at(self._deadline, self._look_at_deadline)

    def _expect_nothing(self) -> None:
        self._on_timeout = None

    def _look_at_deadline(self) -> None:
        self._timer = None
        if (on_timeout := self._on_timeout) is None:
            return
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._look_at_deadline)
        else:
            on_timeout()

    def _refuse_late_headers(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # the response to the previous request ends the connection
        elif self._has_data:
            self._refuse(408, f"The headers did not arrive within {self.read_seconds:g} seconds.")
        else:
            self.transport.close()

    def _abort_late_body(self) -> None:
        if self.flow.read_paused:  # the application is slower than the client
            self._expect(self.read_seconds, self._abort_late_body)
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
