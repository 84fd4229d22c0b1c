"""Whole conversations with real processes over HTTP (rules 6.1, 9.1 and 14.1)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx2
import pytest

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

    Connect = Callable[[RunningProcess], Api]


def test_a_conversation_of_three_messages_with_a_tool_call(processes: Processes, api: Connect) -> None:
    web = api(processes.start("web"))
    session_id = web.create_session()
    assert "Hello" in web.say(session_id, "Hello")
    assert "Saved" in web.say(session_id, "Remember that I like tea")
    assert "I like tea" in web.say(session_id, "What do you remember?")
    assert len(web.history(session_id)) == 3


def test_a_streamed_answer_comes_piece_by_piece(processes: Processes, api: Connect) -> None:
    web = api(processes.start("web"))
    session_id = web.create_session()
    web.say(session_id, "Hello")  # the model is loaded now
    came = [(time.monotonic(), event) for event in web.stream(session_id, "wait 1 seconds")]
    pieces = [moment for moment, event in came if event.event == "text.delta"]
    assert len(pieces) > 1
    assert pieces[-1] - pieces[0] > 0.5
    assert came[-1][1].event == "turn.finished"


def test_a_second_replica_continues_the_conversation(processes: Processes, api: Connect) -> None:
    one, two = (api(processes.start("web")) for _ in range(2))
    session_id = one.create_session()
    one.say(session_id, "My name is Ada")
    assert [turn["message"] for turn in two.history(session_id)] == ["My name is Ada"]
    assert "My name is Ada" in two.say(session_id, "Who am I?")
    assert len(one.history(session_id)) == 2


def test_a_second_replica_streams_a_turn_that_the_first_runs(processes: Processes, api: Connect) -> None:
    one, two = (api(processes.start("web")) for _ in range(2))
    session_id = one.create_session()
    one.say(session_id, "Hello")
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(lambda: [event.id for event in one.stream(session_id, "wait 1 seconds")])
        while len(two.history(session_id)) < 2:
            time.sleep(0.01)
        with two.http.sse(f"/chat/sessions/{session_id}/turns/2/events") as events:
            followed = [event.id for event in events]
        assert followed == sending.result()


def test_a_turn_survives_the_death_of_its_web_process(processes: Processes, api: Connect) -> None:
    first, second, worker = processes.start("web"), processes.start("web"), processes.start("worker")
    dying, other = api(first), api(second)
    session_id = dying.create_session()
    dying.say(session_id, "Hello")
    seen: list[tuple[str, str]] = []
    with pytest.raises(httpx2.TransportError):
        for event in dying.stream(session_id, "wait 3 seconds"):
            seen.append((event.event, event.id))
            if event.event == "text.delta":
                first.kill()
    began = time.monotonic()
    address = f"/chat/sessions/{session_id}/turns/2"
    with other.http.sse(f"{address}/events", headers={"Last-Event-ID": seen[-1][1]}) as events:
        rest = [(event.event, json.loads(event.data)) for event in events]
    turn = other.wait_for_turn(address)
    assert turn["status"] == "succeeded"
    assert rest[-1][1]["response"] == turn["response"]
    assert ("step.started", {"step": 1}) in rest  # what was seen of the step is void: it begins anew
    assert [entry["message"] for entry in other.history(session_id)] == ["Hello", "wait 3 seconds"]
    assert worker.is_running
    assert time.monotonic() - began < 20  # the lease, the sweep and the turn itself


def test_a_queued_turn_is_run_by_a_worker(processes: Processes, api: Connect) -> None:
    web, worker = processes.start("web"), processes.start("worker")
    client = api(web)
    session_id = client.create_session()
    response = client.send(session_id, "What time is it in Asia/Tokyo?", prefer="respond-async")
    assert response.status_code == 202
    turn = client.wait_for_turn(response.headers["location"])
    assert "Asia/Tokyo" in turn["response"]
    assert worker.is_running


def test_a_turn_queued_while_no_worker_runs_is_done_when_one_starts(processes: Processes, api: Connect) -> None:
    client = api(processes.start("web"))
    session_id = client.create_session()
    location = client.send(session_id, "Hello", prefer="respond-async").headers["location"]
    assert client.http.get(location).json()["status"] == "queued"
    processes.start("worker")
    assert client.wait_for_turn(location)["status"] == "succeeded"


def test_a_turn_on_a_killed_worker_is_finished_by_another(processes: Processes, api: Connect) -> None:
    client = api(processes.start("web"))
    first = processes.start("worker")
    session_id = client.create_session()
    location = client.send(session_id, "wait 2 seconds", prefer="respond-async").headers["location"]
    while client.http.get(location).json()["status"] == "queued":
        time.sleep(0.02)
    first.kill()
    processes.start("worker")
    assert client.wait_for_turn(location, seconds=20)["status"] == "succeeded"
