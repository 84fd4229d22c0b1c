"""Whole conversations with real processes over HTTP (rules 6.1, 9.1 and 14.1)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.support.databases import rows
from tests.support.fake_agent import EFFECTS

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

    Connect = Callable[[RunningProcess], Api]

RECOVERY_SECONDS = 15  # after a SIGKILL, on default settings


def converse(web: Api, *exchange: tuple[str, str]) -> None:
    session_id = web.create_session()
    for said, answered in exchange:
        assert answered in web.say(session_id, said)
    assert len(web.history(session_id)) == len(exchange)


def test_a_conversation_of_three_messages(replicas: list[RunningProcess], api: Connect) -> None:
    converse(api(replicas[0]), ("Hello", "Hello"), ("I like tea", "I like tea"), ("What do I like?", "I like tea"))


def test_a_conversation_of_three_messages_with_a_tool_call(
    environment: dict[str, str], processes: Processes, api: Connect
) -> None:
    rows(environment["DATABASE_URL"], EFFECTS)
    web = api(processes.with_fake_agent().start("web"))
    record = f"call record {json.dumps({'text': 'I like tea'})}"
    converse(web, ("Hello", "Hello"), (record, "Recorded"), ("call recall", "I like tea"))


def test_a_streamed_answer_arrives_in_pieces(replicas: list[RunningProcess], api: Connect) -> None:
    web = api(replicas[0])
    session_id = web.create_session()
    web.say(session_id, "Hello")  # loads the model
    types: list[str] = []
    for event in web.stream(session_id, "wait 20 seconds"):
        types.append(event.event)
        if event.event == "text.delta" and types.count("text.delta") == 2:
            cancelled = web.http.post(f"/chat/sessions/{session_id}/turns/2/cancel")
            assert cancelled.status_code == httpx2.codes.OK  # otherwise, the turn had ended before its pieces arrived
    assert types[-1] == "turn.finished"


def test_a_second_replica_continues_the_conversation(replicas: list[RunningProcess], api: Connect) -> None:
    one, two = map(api, replicas)
    session_id = one.create_session()
    one.say(session_id, "My name is Ada")
    assert [turn["message"] for turn in two.history(session_id)] == ["My name is Ada"]
    assert "My name is Ada" in two.say(session_id, "Who am I?")
    assert len(one.history(session_id)) == 2


def test_a_second_replica_streams_a_turn_that_the_first_runs(replicas: list[RunningProcess], api: Connect) -> None:
    one, two = map(api, replicas)
    session_id = one.create_session()
    one.say(session_id, "Hello")
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(lambda: [event.id for event in one.stream(session_id, "wait 1 seconds")])
        while len(two.history(session_id)) < 2:
            time.sleep(0.01)
        with two.http.sse(f"/chat/sessions/{session_id}/turns/2/events") as events:
            followed = [event.id for event in events]
        assert followed == sending.result()


def test_a_turn_survives_the_death_of_its_web_process(
    replicas: list[RunningProcess], processes: Processes, api: Connect
) -> None:
    doomed = processes.start("web")
    processes.start("worker")
    dying, other = api(doomed), api(replicas[0])
    session_id = dying.create_session()
    dying.say(session_id, "Hello")
    seen: list[tuple[str, str]] = []
    with pytest.raises(httpx2.TransportError):
        for event in dying.stream(session_id, "wait 2 seconds"):
            seen.append((event.event, event.id))
            if event.event == "text.delta":
                doomed.kill()
    began = time.monotonic()
    address = f"/chat/sessions/{session_id}/turns/2"
    rest: list[tuple[float, str, dict[str, object]]] = []
    with other.http.sse(f"{address}/events", headers={"Last-Event-ID": seen[-1][1]}) as events:
        rest.extend((time.monotonic() - began, event.event, json.loads(event.data)) for event in events)
    resumed = next(moment for moment, kind, _ in rest if kind == "turn.started")
    assert resumed < RECOVERY_SECONDS
    assert ("step.started", {"step": 1}) in [
        (kind, data) for _, kind, data in rest
    ]  # voids the earlier events of the step
    turn = other.wait_for_turn(address)
    assert turn["status"] == "succeeded"
    assert rest[-1][2]["response"] == turn["response"]
    assert [entry["message"] for entry in other.history(session_id)] == ["Hello", "wait 2 seconds"]


def test_a_queued_turn_waits_for_a_worker_and_survives_its_death(
    replicas: list[RunningProcess], processes: Processes, api: Connect
) -> None:
    client = api(replicas[0])
    session_id = client.create_session()
    response = client.send(session_id, "wait 2 seconds", prefer="respond-async")
    assert response.status_code == 202
    location = response.headers["location"]
    assert client.http.get(location).json()["status"] == "queued"
    doomed = processes.start("worker")
    while client.http.get(location).json()["status"] == "queued":
        time.sleep(0.02)
    doomed.kill()
    began = time.monotonic()
    processes.start("worker", wait=False)  # like a platform
    with client.http.sse(f"{location}/events") as events:
        resumed = next(time.monotonic() for event in events if json.loads(event.data).get("attempt") == 2)
    assert resumed - began < RECOVERY_SECONDS
    assert client.wait_for_turn(location)["status"] == "succeeded"
