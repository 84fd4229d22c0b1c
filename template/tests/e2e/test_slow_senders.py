"""Requests that never end, over real sockets: each has a deadline (rule 13.1)."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.e2e.test_health_server import address_of
from tests.support.metrics import scrape

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

    Connect = Callable[[RunningProcess], Api]

HEAD = b"POST /chat/sessions/none/messages HTTP/1.1\r\nHost: localhost\r\n"
BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
PATIENCE = 30  # seconds until a connection counts as leaked


def send_slowly(url: str, begin: bytes, drip: bytes = b"") -> bytes:
    """Send `begin` and then `drip` again and again; returns all bytes until the process closes the connection."""
    parts = urlsplit(url)
    stop = Event()
    with socket.create_connection((parts.hostname or "", parts.port or 0), PATIENCE) as connection:

        def go_on() -> None:
            with suppress(OSError):
                while not stop.wait(0.1):
                    connection.sendall(drip)

        connection.sendall(begin)
        with ThreadPoolExecutor(1) as pool:
            if drip:
                pool.submit(go_on)
            answer = b""
            try:
                with suppress(ConnectionResetError):
                    while part := connection.recv(65_536):
                        answer += part
            finally:
                stop.set()
    return answer


@pytest.fixture
def web(processes: Processes) -> RunningProcess:
    return processes.start("web", REQUEST_TIMEOUT_SECONDS="0.5")


@pytest.mark.parametrize(
    ("begin", "drip", "detail"),
    [
        (b"GET", b"", "The headers did not arrive"),
        (HEAD, b"", "The headers did not arrive"),
        (HEAD, b"x", "The headers did not arrive"),
        (b"\r\n", b"\r\n", "The headers did not arrive"),
        (BODY, b"", "The body did not arrive"),
        (BODY, b" ", "The body did not arrive"),
    ],
)
def test_an_endless_request_is_answered_408_and_closed(
    web: RunningProcess, api: Connect, begin: bytes, drip: bytes, detail: str
) -> None:
    authorization = api(web).http.headers["Authorization"]
    begin = begin.replace(b"Host:", f"Authorization: {authorization}\r\nHost:".encode())
    head, _, body = send_slowly(web.url, begin, drip).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n"), head
    assert b"connection: close" in head.lower()
    document = json.loads(body)
    assert document["detail"] == f"{detail} within 0.5 seconds."
    assert "Traceback" not in web.output


def test_many_stalled_connections_end_while_other_requests_are_served(web: RunningProcess, api: Connect) -> None:
    with ThreadPoolExecutor(60) as pool:
        stalled = [pool.submit(send_slowly, web.url, begin) for begin in (b"", HEAD, BODY) for _ in range(20)]
        assert api(web).http.get("/chat/sessions").status_code == 200
        answers = [one.result() for one in stalled]
    assert all(not answer for answer in answers[:20])  # they sent nothing
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers[20:40])
    assert all(answer.startswith(b"HTTP/1.1 40") for answer in answers[40:])  # 401 comes before the body
    assert scrape(web.url).total("http_requests_total", status="408") >= 20


def test_an_endless_body_that_no_route_reads_does_not_keep_the_connection(web: RunningProcess) -> None:
    begin = b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    assert send_slowly(web.url, begin, b"x").startswith(b"HTTP/1.1 200 ")


def test_a_stream_of_events_outlasts_the_deadline(web: RunningProcess, api: Connect) -> None:
    client = api(web)
    events = [event.event for event in client.stream(client.create_session(), "/slow 1.5")]
    assert events[-1] == "turn.finished"


def test_a_slow_sender_on_the_metrics_port_is_disconnected(processes: Processes) -> None:
    url = address_of(processes.start("worker", LOG_FORMAT="json"))
    for drip in (b"x", b"\r\nx: y"):
        send_slowly(url, b"GET /health HTTP/1.1\r\nx: ", drip)
    assert scrape(url).names
