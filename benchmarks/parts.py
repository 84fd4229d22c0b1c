"""The measurements. Each returns samples by the name of a figure in `figures.py`."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks import load
from benchmarks.stack import COMMAND, BenchmarkError, Process, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Samples = dict[str, list[float]]

CYCLES = 5
SESSIONS = 3  # of each connection in each cycle
TURNS = 10_000
HEALTH_REQUESTS = 200  # of each connection in each cycle
STREAMS = 500
FIRST_TOKENS = 25
STARTS = 5
COMMANDS = 7
SETTLE_SECONDS = 2.0


def measured(process: Process, plans: list[list[bytes]]) -> tuple[float, float, list[list[bytes]]]:
    """Return milliseconds of processor time per request, requests per second, and the bodies of the responses."""
    count = sum(map(len, plans))
    cpu, began = process.cpu(), time.perf_counter()
    bodies = load.run(load.at_once(process.port, plans))
    elapsed = time.perf_counter() - began
    return (process.cpu() - cpu) * 1000 / count, count / elapsed, bodies


def plans_of_turns(stack: Stack, name: str, process: Process, sessions: int) -> list[list[bytes]]:
    """Return messages to new sessions, which the agent has to create first."""
    if name != "turn":
        return load.messages(load.own_sessions(sessions))
    opened = load.run(load.open_sessions(process.port, stack.tokens, sessions))
    return load.messages(opened, stack.tokens)


def turn(stack: Stack) -> Samples:
    """A full chat turn and the floors, in alternating cycles."""
    names = ("turn", "agent_run", "direct_stream", "sql")
    found: Samples = {f"{name}_{unit}": [] for name in names for unit in ("ms", "rate")}
    with ExitStack() as running:
        processes = {
            name: running.enter_context(stack.agent() if name == "turn" else stack.floor(name)) for name in names
        }
        check_answers({name: converse(stack, name, process) for name, process in processes.items() if name != "sql"})
        for cycle in range(CYCLES + 1):
            for name, process in processes.items():
                plans = plans_of_turns(stack, name, process, SESSIONS if cycle else 1)
                milliseconds, rate, _ = measured(process, plans)
                if cycle:  # the first warms up
                    found[f"{name}_ms"].append(milliseconds)
                    found[f"{name}_rate"].append(rate)
    found["turn"] = [floor / agent for floor, agent in zip(found["agent_run_ms"], found["turn_ms"], strict=True)]
    return found


def converse(stack: Stack, name: str, process: Process) -> list[str]:
    """Return the answers of a service in one session."""
    plan = plans_of_turns(stack, name, process, 1)[0]
    return [json.loads(body)["response"] for body in load.run(load.converse(process.port, plan))]


def check_answers(answers: Mapping[str, list[str]]) -> None:
    """Check that all services do the same work. Raises `BenchmarkError`."""
    if len({tuple(each) for each in answers.values()}) > 1:
        raise BenchmarkError(f"the floors do not answer as the agent does:\n{json.dumps(answers, indent=2)}")


def health(stack: Stack) -> Samples:
    """`/health` and a bare one, in alternating cycles."""
    plans = [[load.request("GET", "/health")] * HEALTH_REQUESTS] * load.CONNECTIONS
    found: Samples = {"health_ms": [], "bare_ms": []}
    with stack.agent() as agent, stack.floor("health") as bare:
        for cycle in range(CYCLES + 1):
            for name, process in (("health_ms", agent), ("bare_ms", bare)):
                milliseconds, _, _ = measured(process, plans)
                found[name] += [milliseconds] * (cycle > 0)
    pairs = zip(found["bare_ms"], found["health_ms"], strict=True)
    return found | {"health": [floor / own for floor, own in pairs]}


def memory(stack: Stack) -> Samples:
    """Memory when ready and after TURNS turns."""
    with stack.agent() as agent:
        ready, _ = agent.memory()
        sessions = TURNS // 2 // load.CONNECTIONS // load.TURNS_PER_SESSION
        shared_with_none = []
        for _ in range(2):
            measured(agent, plans_of_turns(stack, "turn", agent, sessions))
            shared_with_none.append(agent.memory()[1])
        loaded, _ = agent.memory()
    return {
        "ready_mib": [ready],
        "loaded_mib": [loaded],
        "loaded_uss_mib": [shared_with_none[-1]],
        "growth_mib": [shared_with_none[-1] - shared_with_none[0]],
    }


def streams(stack: Stack) -> Samples:
    """Streams of queued turns that no worker runs, and another reader beside them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = STREAMS * 2 + 200
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else hard, hard))
    with stack.agent() as agent:
        return load.run(_streams(stack, agent))


async def _streams(stack: Stack, agent: Process) -> Samples:
    port, token = agent.port, stack.tokens[0]
    opened = await load.open_sessions(port, stack.tokens, -(-STREAMS // load.CONNECTIONS))
    plans = [plan[:: load.TURNS_PER_SESSION] for plan in load.messages(opened, stack.tokens, prefer="respond-async")]
    await load.at_once(port, plans)
    alone = [await load.seconds_to_first_token(port, token) for _ in range(FIRST_TOKENS)]
    _, before = agent.memory()
    asking = [
        load.request("GET", f"/chat/sessions/{session}/turns/1/events", owner, accept="text/event-stream")
        for sessions, owner in zip(opened, load.owners(stack.tokens), strict=True)
        for session in sessions
    ][:STREAMS]
    waiting: list[load.Stream] = []
    for first in range(0, STREAMS, load.CONNECTIONS):
        those = asking[first : first + load.CONNECTIONS]
        waiting += await asyncio.gather(*(load.Stream.open(port, each) for each in those))
    await asyncio.sleep(SETTLE_SECONDS)
    _, after = agent.memory()
    beside = [await load.seconds_to_first_token(port, token) for _ in range(FIRST_TOKENS)]
    for stream in waiting:
        stream.close()
    return {
        "stream_kib": [(after - before) * 1024 / STREAMS],
        "token_ms": [seconds * 1000 for seconds in alone],
        "token_500_ms": [seconds * 1000 for seconds in beside],
    }


def start(stack: Stack) -> Samples:
    """Start the web process and a bare FastAPI, in alternation."""
    found: Samples = {"start": [], "start_cpu": [], "start_s": []}
    for number in range(STARTS + 1):
        with stack.agent() as agent, stack.floor("health") as bare:
            pass
        if number:  # the first compiles modules
            found["start_s"].append(agent.seconds)
            found["start"].append(agent.seconds / bare.seconds)
            found["start_cpu"].append(agent.start_cpu / bare.start_cpu)
    return found


def commands(stack: Stack) -> Samples:
    """Run commands of the command line."""
    program = str(stack.project / ".venv/bin" / COMMAND)
    found: Samples = {"help_s": [], "check_s": []}
    for number in range(COMMANDS + 1):
        for name, arguments in (("help_s", ["--help"]), ("check_s", ["config", "check"])):
            began = time.perf_counter()
            done = subprocess.run(
                [program, *arguments],
                cwd=stack.project,
                env=stack.variables,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise BenchmarkError(f"{COMMAND} {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
            found[name] += [time.perf_counter() - began] * (number > 0)
    return found


PARTS: dict[str, Callable[[Stack], Samples]] = {
    "turn": turn, "health": health, "memory": memory, "streams": streams, "start": start, "commands": commands
}  # fmt: skip
