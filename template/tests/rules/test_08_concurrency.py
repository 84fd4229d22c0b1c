"""Rule 8.1: work is spread over process types and their replicas, and each piece of it is done once."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from agent_devtools.rules.check import Broken, check
from agent_devtools.rules.deployment import PROCESS_TYPES, Process, composed, containers, deployed, procfile
from agent_devtools.rules.dockerfile import dockerfiles
from agent_devtools.rules.flow import Call
from agent_devtools.rules.project import Project, Violation
from agent_devtools.rules.scopes import scope_at, targets_of

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

SEVERAL = re.compile(
    r"\b(?:supervisord|honcho|foreman|overmind|circusd|s6-svscan|runit|pm2|gunicorn|nohup)\b"
    r"|--workers[ =]+(?:[2-9]|\d\d)"
    r"|(?:^|\s)-w[ =]?(?:[2-9]|\d\d)\b|\bprocesses \w+\s*&|&\s*wait\b|[^&>]&\s+(?:exec |python |my-)|\bcrond?\b(?: -f)?"
)
MAX_CONNECTIONS = 100  # PostgreSQL's own default
RESERVED = 3 + 5  # for superusers, and for the commands of people
# The parts of the service that run tasks of their own, and wait for them when the process stops.
SUPERVISORS = (
    "chat/events.py",
    "chat/runner.py",
    "chat/streaming.py",
    "chat/supervisor.py",
    "management/",
    "processes/",
    "security/audit.py",
    "security/tokens.py",
    "services/",
)
TASKS = {"asyncio.create_task", "asyncio.ensure_future", "asyncio.run_coroutine_threadsafe"}
LATER = {"call_soon", "call_later", "call_at", "run_in_executor"}  # of an event loop
GROUPS = ("asyncio.TaskGroup()", "anyio.create_task_group()")  # wait for all that they start
BESIDE = (
    "_thread.start_new_thread",
    "aiocron.",
    "anyio.from_thread.start_blocking_portal",
    "apscheduler.",
    "concurrent.futures.ProcessPoolExecutor",
    "concurrent.futures.ThreadPoolExecutor",
    "fastapi.BackgroundTasks",
    "fastapi.background.",
    "fastapi_utils.tasks.",
    "joblib.Parallel",
    "multiprocessing.",
    "os.fork",
    "rocketry.",
    "sched.scheduler",
    "schedule.every",
    "starlette.background.",
    "threading.Thread",
    "threading.Timer",
)
SERVERS = {"uvicorn.run", "uvicorn.Config", "gunicorn.app.base.BaseApplication", "hypercorn.config.Config"}


@check("Start each process type by the same command everywhere: that of the Procfile.")
def test_process_types_agree(project: Project) -> Iterator[Violation]:
    commands = procfile(project)
    file = project.known("Procfile")
    for name in PROCESS_TYPES:
        if name not in commands:
            yield file.at(1, "starts no {name}", name=name)
    for process in [*composed(project), *deployed(project)]:
        if process.type in commands and process.command and process.command != commands[process.type]:
            yield process.file.at(process.line, "starts {type} by another command than the Procfile", type=process.type)


@check("Start one process in each container, and more containers for more work.")
def test_containers_run_one_process(project: Project) -> Iterator[Violation]:
    for dockerfile in dockerfiles(project):
        for step in dockerfile.final:
            if step.name in {"CMD", "ENTRYPOINT"} and (found := SEVERAL.search(step.command)):
                yield dockerfile.file.at(
                    step.line, "starts several processes in a container: {what}", what=found[0].strip()
                )
    for container in containers(project):
        if container.is_own and (found := SEVERAL.search(container.command)):
            line = container.line_of("command", "args", "entrypoint")
            yield container.at(line, "starts several processes in a container: {what}", what=found[0].strip())
    file = project.known("Procfile")
    for name, command in procfile(project).items():
        if found := SEVERAL.search(" ".join(command)):
            yield file.at(
                file.line_of(rf"^{re.escape(name)}:"),
                "starts several processes in a container: {what}",
                what=found[0].strip(),
            )


@check("Have fewer replicas, or smaller pools (DATABASE_POOL_SIZE, DATABASE_POOL_MAX_OVERFLOW).")
def test_connections_fit_the_database(project: Project) -> Iterator[Violation]:
    defaults = {name: default(project, name) for name in ("DATABASE_POOL_SIZE", "DATABASE_POOL_MAX_OVERFLOW")}
    production = project.file(".env.production")
    for line in production.lines if production else ():
        name, _, value = line.partition("=")
        if name in defaults and value.isdecimal():
            defaults[name] = int(value)
    # A Compose file over another speaks of the same process: the most that any of them gives it counts.
    by_type: dict[str, list[Process]] = {}
    for process in composed(project):
        by_type.setdefault(process.type, []).append(process)
    once = [max(files, key=lambda each: each.replicas * connections(each, defaults)) for files in by_type.values()]
    for processes in (once, deployed(project)):
        total = sum(process.replicas * connections(process, defaults) for process in processes)
        if total > MAX_CONNECTIONS - RESERVED:
            largest = max(processes, key=lambda each: each.replicas * connections(each, defaults))
            yield largest.file.at(
                largest.line,
                "all processes may open {total} connections, of {max_connections} that a database has",
                total=total,
                max_connections=MAX_CONNECTIONS,
            )


def default(project: Project, name: str) -> int:
    """Return the default of the setting in config.py."""
    module, item = project.settings[name]
    found = re.search(r"Field\((\d+)", module.lines[item.lineno - 1])
    return int(found[1]) if found else 0


def connections(process: Process, defaults: dict[str, int]) -> int:
    given = {name: process.environment.get(name, "") for name in defaults}
    return sum(int(given[name]) if given[name].isdecimal() else value for name, value in defaults.items())


@check(
    "Make it a task in agent/tasks.py and queue it with `services.task_queue.enqueue`: a worker runs it, and again if "
    "that one dies."
)
def test_work_goes_to_the_queue(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        if project.inside(module).startswith(SUPERVISORS):
            continue
        for call in project.flow.calls(module):
            if any(origin.startswith(BESIDE) for origin in call.origins):
                yield module.found(call.node, "runs work beside the requests, which ends with this process")
            elif _starts_task(project, call) and not _is_awaited(call.node):
                yield module.found(call.node, "starts a task that nothing waits for: it ends with this process")
        for argument in module.all(ast.arg):
            origins = project.flow.origins(argument.annotation) if argument.annotation else frozenset()
            if any(origin.endswith(".BackgroundTasks") for origin in origins):
                yield module.found(argument, "runs work beside the requests, which ends with this process")


@check("Start more replicas of the process instead: each is one process with one event loop.")
def test_a_container_is_one_process(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        for call in project.flow.calls(module):
            workers = call.argument("workers") if call.origins & SERVERS else None
            if workers is not None and project.flow.values(workers) != {1}:
                yield module.found(workers, "starts several web processes in one container")


def _starts_task(project: Project, call: Call) -> bool:
    if call.origins & TASKS:
        return True
    function = call.node.func
    if not isinstance(function, ast.Attribute) or function.attr not in {"create_task", "start_soon", *LATER}:
        return False
    receiver = project.flow.origins(function.value)
    if receiver & set(GROUPS):
        return False
    loop = any("loop" in origin.rpartition(".")[2] for origin in receiver) or "loop" in ast.unparse(function.value)
    return loop if function.attr in LATER else True


def _is_awaited(call: ast.Call) -> bool:
    """Whether the function that starts a task waits for it as well, and is none that runs as long as the process."""
    scope = scope_at(call).function
    if scope is None:
        return False
    nodes = list(ast.walk(scope.node))
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in nodes):
        return False
    names = {name for node in nodes for name in _names_of(node, call)}
    awaited = (node for node in nodes if isinstance(node, (ast.Await, ast.AsyncFor)))
    return any(
        part is call or (isinstance(part, ast.Name) and part.id in names) for node in awaited for part in ast.walk(node)
    )


def _names_of(node: ast.AST, call: ast.Call) -> Iterator[str]:
    """The names that a statement gives to the result of the call: of the task, or of the list that it goes to."""
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and node.value and call in ast.walk(node.value):
        yield from (target.id for target in targets_of(node) if isinstance(target, ast.Name))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"append", "add"}:
        held = any(call in ast.walk(part) for part in node.args)
        yield from [node.func.value.id] if held and isinstance(node.func.value, ast.Name) else []


@check(
    "Queue with a key, and make each step of a task safe to repeat.", at=("processes/lifecycle.py", "^async def|^def")
)
def test_two_workers_do_each_task_once(
    environment: dict[str, str], processes: Processes, api: Callable[[RunningProcess], Api]
) -> None:
    from tests.support.databases import rows
    from tests.support.fake_agent import EFFECTS

    rows(environment["DATABASE_URL"], EFFECTS)
    planted = processes.with_fake_agent()
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
            raise Broken(
                "a task queued once had its effect {count} times with two workers", count=known.count(session_id)
            )


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
        raise Broken("two schedulers queued a task {count} times that was due once", count=len(ticks))
