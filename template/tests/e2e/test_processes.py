"""How processes start and stop (rules 8.1, 9.1 and 11.1)."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.metrics import scrape

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

    Connect = Callable[[RunningProcess], Api]


PROCESSES = ("web", "worker", "scheduler")


def test_a_process_told_to_stop_ends_well_and_every_line_it_said_is_a_json_object(measured: Processes) -> None:
    desk = measured.with_environment(LOG_FORMAT="json", LOG_LEVEL="DEBUG", APP_NAME="Desk")
    for process in [desk.start(name) for name in PROCESSES]:
        assert process.terminate() == 0
        lines = [json.loads(line) for line in process.output.splitlines()]
        assert lines[-1]["message"] == "stopped"
        for line in lines:
            assert line.keys() >= {"timestamp", "level", "service", "version", "environment", "process", "message"}
            assert (line["process"], line["service"]) == (process.name, "Desk")


def test_a_process_without_its_database_ends_and_says_why(measured: Processes) -> None:
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "DATABASE_TIMEOUT_SECONDS": "0.5"}
    for process in [measured.start(name, wait=False, LOG_FORMAT="json", **nowhere) for name in PROCESSES]:
        assert process.wait() != 0
        last = json.loads(process.output.splitlines()[-1])
        assert last["level"] == "critical"
        assert last["reason"] == "database is unavailable: nothing listens at the host and port of DATABASE_URL"
        assert "Traceback" not in process.output


def test_a_web_process_whose_port_is_taken_ends_and_says_so(measured: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        web = measured.start("web", wait=False, LOG_FORMAT="json", PORT=str(port))
        assert web.wait() != 0
    [said] = [line for line in map(json.loads, web.output.splitlines()) if line["level"] == "critical"]
    assert f":{port}" in said["reason"]


def test_a_stopping_web_process_turns_unready_first_and_loses_no_request(measured: Processes, api: Connect) -> None:
    web = measured.start("web", SHUTDOWN_DELAY_SECONDS="1")
    client = api(web)
    sessions = [client.create_session() for _ in range(2)]
    client.say(sessions[0], "Hello")
    with ThreadPoolExecutor() as pool:
        whole = pool.submit(lambda: client.send(sessions[0], "wait 2 seconds"))
        streamed = pool.submit(lambda: [event.event for event in client.stream(sessions[1], "wait 2 seconds")])
        while not all(turns and turns[-1]["status"] == "running" for turns in map(client.history, sessions)):
            time.sleep(0.01)
        web.send_signal(signal.SIGTERM)
        while (ready := client.http.get("/ready")).status_code == httpx2.codes.OK:
            time.sleep(0.01)
        assert ready.status_code == httpx2.codes.SERVICE_UNAVAILABLE
        assert ready.json()["checks"]["process"] == "stopping"
        assert client.http.get("/health").status_code == httpx2.codes.OK
        assert whole.result().json()["status"] == "succeeded"
        assert streamed.result()[-1] == "turn.finished"
    assert web.wait() == 0


@pytest.mark.parametrize("sent", ["BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "nonsense\r\n\r\n"])
def test_what_is_no_http_is_answered_as_a_bad_request_is(replicas: list[RunningProcess], sent: str) -> None:
    web = replicas[0]
    before = scrape(web.url).total("http_requests_total", endpoint="other", status="400")
    address = urlsplit(web.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(sent.encode())
        head, _, body = b"".join(iter(lambda: connection.recv(4096), b"")).decode().partition("\r\n\r\n")
    status, *fields = head.split("\r\n")
    assert status == "HTTP/1.1 400 Bad Request"
    given = dict(field.split(": ", 1) for field in fields)
    assert (given["content-type"], given["connection"]) == ("application/problem+json", "close")
    ordinary = httpx2.get(f"{web.url}/health").headers
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"):
        assert given[name] == ordinary[name]
    assert json.loads(body)["status"] == 400
    assert scrape(web.url).total("http_requests_total", endpoint="other", status="400") == before + 1


def test_a_turn_too_long_for_the_grace_period_goes_on_elsewhere(
    replicas: list[RunningProcess], processes: Processes, api: Connect
) -> None:
    stopping = processes.start("web", SHUTDOWN_GRACE_SECONDS="1")
    processes.start("worker")
    client, other = api(stopping), api(replicas[0])
    session_id, another = client.create_session(), client.create_session()
    client.say(session_id, "Hello")
    events = client.stream(session_id, "wait 3 seconds")
    seen = [next(events)]
    with ThreadPoolExecutor() as pool:
        whole = pool.submit(lambda: client.send(another, "wait 3 seconds"))
        while [turn["status"] for turn in other.history(another)] != ["running"]:
            time.sleep(0.01)
        stopping.send_signal(signal.SIGTERM)
        with suppress(httpx2.TransportError):  # the server may close before it says the last word
            seen.extend(events)
        assert stopping.wait() == 0
    assert whole.result().status_code == httpx2.codes.ACCEPTED  # whoever waited for all of it is told where it will be
    assert other.wait_for_turn(whole.result().headers["Location"])["status"] == "succeeded"
    address = f"/chat/sessions/{session_id}/turns/2"
    with other.http.sse(f"{address}/events", headers={"Last-Event-ID": seen[-1].id}) as rest:
        last = list(rest)[-1]
    assert json.loads(last.data)["status"] == "succeeded"


def test_a_stopping_worker_hands_its_turn_to_another(
    replicas: list[RunningProcess], measured: Processes, api: Connect
) -> None:
    client = api(replicas[0])
    stopping = measured.start("worker", SHUTDOWN_GRACE_SECONDS="1")
    session_id = client.create_session()
    location = client.send(session_id, "wait 3 seconds", prefer="respond-async").headers["location"]
    while client.http.get(location).json()["status"] == "queued":
        time.sleep(0.02)
    measured.start("worker")
    assert stopping.terminate() == 0
    assert client.wait_for_turn(location)["status"] == "succeeded"


def test_a_process_that_does_not_exist_is_refused(measured: Processes) -> None:
    process = measured.start("mailer", wait=False)
    assert process.wait() == 2
    assert process.output == "name a process: web, worker, scheduler\n"


def test_a_cancelled_turn_is_stopped_in_another_process(
    replicas: list[RunningProcess], processes: Processes, api: Connect
) -> None:
    client = api(replicas[0])
    worker = processes.start("worker")
    session_id = client.create_session()
    location = client.send(session_id, "wait 50 seconds", prefer="respond-async").headers["location"]
    while client.http.get(location).json()["status"] == "queued":
        time.sleep(0.02)
    assert client.http.post(f"{location}/cancel").json()["status"] == "cancelled"
    with client.http.sse(f"{location}/events") as events:
        assert json.loads(list(events)[-1].data)["status"] == "cancelled"
    worker.wait_for("was cancelled", seconds=10)  # or else it would only stop after the 50 seconds
    assert client.say(session_id, "Hello")
