"""Rule 11.1: logs are a stream of JSON objects on stdout, which can be followed from process to process."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from agent_devtools.rules.check import Broken, check
from agent_devtools.rules.deployment import PROCESS_TYPES
from agent_devtools.rules.flow import Call
from agent_devtools.rules.project import Project, Violation, named

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

PRINTS = {
    "click.echo",
    "click.secho",
    "os.write",
    "pprint.pp",
    "pprint.pprint",
    "print",
    "rich.print",
    "rich.console.Console().print",
    "sys.__stdout__.write",
    "sys.stdout.buffer.write",
    "sys.stdout.write",
    "sys.stdout.writelines",
    "traceback.print_exc",
    "typer.echo",
    "typer.secho",
}
TO_PEOPLE = ("management/", "agent/commands", "healthcheck.py")  # the command line speaks to people
CONFIGURES = "observability/"
HANDLER = re.compile(r"(logging\.)?(handlers\.)?\w+Handler")
TO_NOTHING = ("StreamHandler", "NullHandler", "QueueHandler", "MemoryHandler")  # no place of their own
SETTERS = {
    "logging.basicConfig",
    "logging.config.dictConfig",
    "logging.config.fileConfig",
    "structlog.configure",
    "loguru.logger.add",
}
LOGS = {"critical", "debug", "error", "exception", "fatal", "info", "log", "msg", "warn", "warning", "bind", "new"}
LOGGERS = ("structlog.", "logging.", "loguru.")
SECRET_NAMES = {"api_key", "apikey", "authorization", "cookie", "cookies", "password", "passwd", "secret", "token"}
SHOWN = {"get_secret_value"}
KEYS = {"timestamp", "level", "service", "version", "message"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRETS = {"SECRET_KEY": "planted-secret-key-planted-secret-key", "LLM_API_KEY": "planted-api-key"}


@check('Log an event: structlog.get_logger().info("what happened", detail=...).')
def test_no_print(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        if project.inside(module).startswith(TO_PEOPLE):
            continue  # and sys.stderr is for what comes before there are logs
        for call in project.flow.calls(module):
            if call.origins & PRINTS:
                yield module.found(call.node, "prints a line that is no event")


@check("Write to stdout; the platform keeps, rotates and ships what comes there.")
def test_no_log_file(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        if project.inside(module).startswith((CONFIGURES, "management/")):
            continue
        for call in project.flow.calls(module):
            if any(_is_handler(origin) for origin in call.origins):
                yield module.found(call.node, "sends logs to a file or a log server")
            elif call.origins & SETTERS or _adds_handler(project, call):
                yield module.found(call.node, "changes where logs are written, or in which form")
        for node in module.all(ast.ClassDef):
            if any(_is_handler(origin) for base in node.bases for origin in project.flow.origins(base)):
                yield module.found(node, "sends logs to a file or a log server")
        for text, value in module.texts:  # in the dictionary of logging.config
            if value.startswith("logging.") and _is_handler(value):
                yield module.found(text, "sends logs to a file or a log server")


def _is_handler(origin: str) -> bool:
    return origin.startswith("logging.") and bool(HANDLER.fullmatch(origin)) and not origin.endswith(TO_NOTHING)


def _adds_handler(project: Project, call: Call) -> bool:
    function = call.node.func
    return isinstance(function, ast.Attribute) and function.attr == "addHandler"


@check("Log what happened to whom, by ids; take secrets, headers and whole settings out of the event.")
def test_no_secret_is_logged(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        for call in project.flow.calls(module):
            if _logs(call):
                given = [(None, part) for part in call.node.args] + [
                    (each.arg, each.value) for each in call.node.keywords
                ]
                if any(_shows(project, name, value) for name, value in given):
                    yield module.found(call.node, "logs what may be a secret")
        for node in module.all(ast.Raise):
            parts = node.exc.args if isinstance(node.exc, ast.Call) else []
            if any(project.flow.reaches(part, _is_secret) for part in parts):
                yield module.found(node, "raises an error whose message holds a secret")


def _logs(call: Call) -> bool:
    if any(origin.startswith(LOGGERS) and origin.rpartition(".")[2] in LOGS for origin in call.origins):
        return True
    return bool(call.origins & PRINTS)


def _is_secret(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SHOWN


def _shows(project: Project, name: str | None, value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return False
    if name in SECRET_NAMES and not isinstance(value, ast.Compare):
        return True
    return project.flow.reaches(value, lambda node: _is_secret(node) or _is_whole(project, node), conditions=False)


def _is_whole(project: Project, node: ast.AST) -> bool:
    """Whether an expression is all headers or cookies of a request, or one of those that hold a token."""
    if isinstance(node, ast.Subscript):
        return any(text.lower() in SECRET_NAMES for text in project.flow.texts(node.slice))
    if isinstance(node, ast.Call) and named(node.func) in {"dict", "str", "repr"} and node.args:
        return isinstance(node.args[0], ast.Attribute) and node.args[0].attr in {"headers", "cookies"}
    return False


def events(process: RunningProcess) -> list[dict[str, Any]]:
    """Return the log of the process. Raises `Broken` for a line that is not a JSON object."""
    found: list[dict[str, Any]] = []
    for line in process.output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise Broken("{name} wrote a line that is no JSON object: {text}", name=process.name, text=line[:100])
        found.append(event)
    return found


@check(
    "Let observability/logging.py format everything, warnings and crashes too.",
    at=("observability/logging.py", "^def configure_logging"),
)
def test_every_line_is_json(processes: Processes, api: Callable[[RunningProcess], Api]) -> None:
    started = [processes.start(name, wait=False, LOG_FORMAT="json", LOG_LEVEL="DEBUG") for name in PROCESS_TYPES]
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "DATABASE_TIMEOUT_SECONDS": "0.5"}
    failing = processes.start("worker", wait=False, LOG_FORMAT="json", **nowhere)
    started[0].wait_ready()
    client = api(started[0])
    client.say(client.create_session(), "Hello")
    client.http.get("/nowhere")
    for process in started[1:]:
        process.wait_for('"started"')
    for process in started:
        process.terminate()
    failing.wait()
    for process in [*started, failing]:
        for event in events(process):
            if missing := KEYS - event.keys():
                raise Broken(
                    "a line of {name} lacks {names}: {event}",
                    name=process.name,
                    names=", ".join(sorted(missing)),
                    event=event,
                )


@check(
    "Log no settings, headers or bodies; what an error says is for the log only when it cannot hold a secret.",
    at=("observability/logging.py", "def _renderers"),
)
def test_no_secret_in_logs(processes: Processes, token: str) -> None:
    from tests.support.api import Api as Client

    web = processes.with_environment(**SECRETS).start("web", LOG_FORMAT="json", LOG_LEVEL="DEBUG")
    client = Client(web.url, token)
    client.http.get("/chat/sessions")
    client.http.get("/chat/sessions?token=planted-in-query", headers={"x-api-key": "planted-in-header"})
    client.http.post("/chat/sessions", content=b'{"planted-in-body": ')
    client.http.close()
    web.terminate()
    for name, secret in {
        **SECRETS,
        "a token": token,
        "a query": "planted-in-query",
        "a header": "planted-in-header",
    }.items():
        if secret in web.output:
            raise Broken("the web process logs {name}", name=name)


@check(
    "Pass the request's id and trace on with the task, and bind them where it runs.",
    at=("observability/access_log.py", "trace"),
)
def test_a_request_is_followed_to_its_worker(processes: Processes, api: Callable[[RunningProcess], Api]) -> None:
    web, worker = (processes.start(name, wait=False, LOG_FORMAT="json") for name in ("web", "worker"))
    web.wait_ready()
    worker.wait_for('"started"')
    client = api(web)
    session_id = client.create_session()
    sent = client.send(session_id, "Hello", prefer="respond-async", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    client.wait_for_turn(sent.headers["location"])
    for process in (web, worker):
        process.terminate()
        if not any(event.get("trace_id") == TRACE for event in events(process)):
            raise Broken("no log line of the {name} has the trace of the request that it worked for", name=process.name)
