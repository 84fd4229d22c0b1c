"""Rule 8.1: work is spread over process types and their replicas, and each piece of it is done once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tests.support.rules.check import Broken, check
from tests.support.rules.deployment import PROCESS_TYPES, Process, composed, deployed, procfile
from tests.support.rules.project import Project, Violation

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

MAX_CONNECTIONS = 100  # PostgreSQL's own default
RESERVED = 3 + 5  # for superusers, and for the commands of people


@check("Start each process type by the same command everywhere: that of the Procfile.")
def test_process_types_agree(project: Project) -> Iterator[Violation]:
    commands = procfile(project)
    file = project.known("Procfile")
    for name in PROCESS_TYPES:
        if name not in commands:
            yield file.at(1, f"starts no {name}")
    for process in [*composed(project), *deployed(project)]:
        if process.type in commands and process.command and process.command != commands[process.type]:
            yield process.file.at(process.line, f"starts {process.type} by another command than the Procfile")


@check("Have fewer replicas, or smaller pools (DATABASE_POOL_SIZE, DATABASE_POOL_MAX_OVERFLOW).")
def test_connections_fit_the_database(project: Project) -> Iterator[Violation]:
    defaults = {name: default(project, name) for name in ("DATABASE_POOL_SIZE", "DATABASE_POOL_MAX_OVERFLOW")}
    production = project.file(".env.production")
    for line in production.lines if production else ():
        name, _, value = line.partition("=")
        if name in defaults and value.isdecimal():
            defaults[name] = int(value)
    for processes in (composed(project), deployed(project)):
        total = sum(process.replicas * connections(process, defaults) for process in processes)
        if total > MAX_CONNECTIONS - RESERVED:
            largest = max(processes, key=lambda each: each.replicas * connections(each, defaults))
            yield largest.file.at(
                largest.line, f"all processes may open {total} connections, of {MAX_CONNECTIONS} that a database has"
            )


def default(project: Project, name: str) -> int:
    """What config.py gives the setting."""
    module, item = project.settings[name]
    found = re.search(r"Field\((\d+)", module.lines[item.lineno - 1])
    return int(found[1]) if found else 0


def connections(process: Process, defaults: dict[str, int]) -> int:
    given = {name: process.environment.get(name, "") for name in defaults}
    return sum(int(given[name]) if given[name].isdecimal() else value for name, value in defaults.items())


@check("Queue with a key, and make each step of a task safe to repeat.", at=("processes/turns.py", "^async def|^def"))
def test_two_workers_do_each_task_once(
    environment: dict[str, str], processes: Processes, api: Callable[[RunningProcess], Api]
) -> None:
    from tests.support.databases import rows
    from tests.support.planted import EFFECTS

    rows(environment["DATABASE_URL"], EFFECTS)
    planted = processes.with_tools()
    for worker in [planted.start("worker", wait=False) for _ in range(2)]:
        worker.wait_for('"started"')
    client = api(planted.start("web"))
    sessions = [client.create_session() for _ in range(8)]
    sent = [client.send(each, f"call record {json.dumps({'text': each})}", prefer="respond-async") for each in sessions]
    for response in sent:
        if client.wait_for_turn(response.headers["location"])["status"] != "succeeded":
            raise Broken("a queued turn was not done by any of two workers")
    known = client.say(client.create_session(), "call recall")
    for session_id in sessions:
        if known.count(session_id) != 1:
            raise Broken(f"a task queued once had its effect {known.count(session_id)} times with two workers")


@check("Keep the uniqueness of a tick in the database (scheduler_ticks).", at=("processes/scheduler.py", "ON CONFLICT"))
def test_two_schedulers_tick_once(environment: dict[str, str], processes: Processes) -> None:
    from tests.support.databases import rows

    url, task = environment["DATABASE_URL"], "cleanup_old_data"
    rows(url, f"DELETE FROM scheduler_ticks WHERE task = '{task}'")
    rows(url, f"INSERT INTO scheduler_ticks (task, due_at) VALUES ('{task}', '2020-01-01Z')")
    both = [processes.start("scheduler", wait=False, LOG_FORMAT="json") for _ in range(2)]
    for scheduler in both:
        scheduler.wait_for('"started"')
    for scheduler in both:
        scheduler.terminate()
    lines = [json.loads(line) for scheduler in both for line in scheduler.output.splitlines() if line.startswith("{")]
    ticks = [line for line in lines if line["message"] == "ticked" and line["task"] == task]
    if len(ticks) != 1:
        raise Broken(f"two schedulers queued a task {len(ticks)} times that was due once")
