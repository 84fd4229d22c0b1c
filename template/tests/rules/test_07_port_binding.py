"""Rule 7.1: the service serves HTTP itself, on the configured port, and reports its health."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from agent_devtools.rules.check import Broken, check
from agent_devtools.rules.deployment import PROCESS_TYPES, Container, Table, containers
from agent_devtools.rules.dockerfile import dockerfiles
from agent_devtools.rules.project import Module, Project, Violation, named
from agent_devtools.rules.scopes import parameters, targets_of

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

GIVEN = re.compile(r"(?:--port|--bind|-b)[ =]+(?:\S*:)?\d+|\b\w*PORT=\d+")
DECLARED = ("config.py", "constants.py", "agent/settings")
PORT = re.compile(r"(^|[_.])port$")  # and neither report nor support


# Servers, and what else opens a port.
SERVERS = {
    "aiohttp.web.TCPSite",
    "aiohttp.web.run_app",
    "asyncio.start_server",
    "grpc.server().add_insecure_port",
    "grpc.aio.server().add_insecure_port",
    "http.server.HTTPServer",
    "http.server.ThreadingHTTPServer",
    "hypercorn.asyncio.serve",
    "prometheus_client.start_http_server",
    "prometheus_client.start_wsgi_server",
    "socketserver.TCPServer",
    "socketserver.ThreadingTCPServer",
    "socketserver.UDPServer",
    "uvicorn.Config",
    "uvicorn.Server",
    "uvicorn.run",
    "waitress.serve",
    "websockets.asyncio.server.serve",
    "websockets.serve",
    "wsgiref.simple_server.make_server",
    "xmlrpc.server.SimpleXMLRPCServer",
}
SERVE = ("processes/", "management/")
BINDS = ("bind", "create_server", "add_insecure_port", "add_secure_port", "start_unix_server")
PLACE = re.compile(r"(?:[\w.-]*|\[[:\da-f]*\]):(\d{2,5})")  # 0.0.0.0:8080


def ports(project: Project, module: Module) -> Iterator[ast.AST]:
    """Yield port numbers in code."""
    for node in module.all(ast.keyword):
        if node.arg and PORT.search(node.arg) and _holds_port(project, node.value):
            yield node.value
    for call in project.flow.calls(module):
        function = call.node.func
        binds = isinstance(function, ast.Attribute) and function.attr in BINDS
        if binds or call.origins & SERVERS:
            parts = [part for item in call.args for part in [item, *project.flow.items(item)]]
            yield from (part for part in parts if _holds_port(project, part))
    for statement in module.all(ast.Assign, ast.AnnAssign):
        is_port = statement.value is not None and _is_port(statement.value)
        if is_port and any(PORT.search(_last(target).lower()) for target in targets_of(statement)):
            yield statement
    for definition in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
        defaults = parameters(definition).items()
        yield from (value for each, value in defaults if value and PORT.search(each.arg) and _is_port(value))


def _last(target: ast.expr) -> str:
    return target.attr if isinstance(target, ast.Attribute) else named(target)


def _holds_port(project: Project, node: ast.expr) -> bool:
    """Whether the expression is a port by any name; a setting is none."""
    if isinstance(node, ast.Attribute) and node.attr.isupper() and not project.flow.values(node):
        return False
    values = project.flow.values(node)
    texts = (value for value in values if isinstance(value, str))
    return any(type(value) is int and 0 < value < 65536 for value in values) or any(
        PLACE.fullmatch(text) or text.isdecimal() for text in texts
    )


def _is_port(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value > 0


@check("Use the setting PORT (or one of your own in agent/settings.py), and serve by a process of processes/ alone.")
def test_no_port_in_code(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        if not project.inside(module).startswith(DECLARED):
            yield from (module.found(node, "holds the number of a port") for node in ports(project, module))
        if not project.inside(module).startswith(SERVE):
            for call in project.flow.calls(module):
                if call.origins & SERVERS:
                    yield module.found(call.node, "serves on a port of its own")


@check(
    "Publish the port that PORT names (ENV PORT in the Dockerfile), and start processes without a port of their own."
)
def test_containers_serve_on_their_port(project: Project) -> Iterator[Violation]:
    images = dockerfiles(project)
    given = {name: value for image in images for name, value in image.environment.items() if name.endswith("PORT")}
    for image in images:
        for step in image.final:
            for port in re.findall(r"(?<![\w$])\d+", step.text) if step.name == "EXPOSE" else ():
                if port not in given.values():
                    yield image.file.at(step.line, "exposes {port}, which no setting of the image names", port=port)
            if step.name in {"CMD", "ENTRYPOINT"} and GIVEN.search(step.command):
                yield image.file.at(step.line, "starts the process on a fixed port")
    for container in containers(project):
        if container.is_own and container.name in PROCESS_TYPES:
            yield from _led_to(container, set(given.values()))


def _led_to(container: Container, known: set[str]) -> Iterator[Violation]:
    """The ports of a container that lead to no server, and a port that its command fixes."""
    if GIVEN.search(container.command):
        yield container.at(container.line_of("command", "args"), "starts the process on a fixed port")
    own = {value for name, (_, value) in container.environment.items() if name.endswith("PORT")}
    for line, port in _container_ports(container):
        if port.isdecimal() and port not in known | own:
            yield container.at(line, "port {port} leads to no server: the process listens on PORT", port=port)


def _container_ports(container: Container) -> Iterator[tuple[int, str]]:
    """The ports within the container that something outside is led to."""
    for item in container.body.get("ports") or ():
        if isinstance(item, Table):
            if "hostPort" in item:
                yield item.lines["hostPort"], str(item["hostPort"])
            key = "target" if "target" in item else "containerPort"
            yield item.lines.get(key, item.line), str(item.get(key, ""))
        else:
            yield container.line_of("ports"), str(item).rpartition(":")[2].partition("/")[0].partition("-")[0]


@check(
    "Bind HOST and PORT of the settings in processes/web.py, and serve nothing elsewhere.",
    at=("processes/web.py", "port="),
)
def test_serves_on_the_port_it_is_given(processes: Processes, api: Callable[[RunningProcess], Api]) -> None:
    web = processes.start("web")  # on a port chosen at random
    health = api(web).http.get("/health")
    if health.status_code != 200 or not health.json().keys() >= {"status", "version", "timestamp"}:
        raise Broken("/health does not return status, version and timestamp on the port that PORT names")


@check(
    "Let /health touch no service, and /ready ask each that every request needs.",
    at=("observability/health.py", "def health"),
)
def test_alive_but_not_ready_without_its_database(
    server_directory: Path, environment: dict[str, str], processes: Processes, api: Callable[[RunningProcess], Api]
) -> None:
    from agent_devtools.dev_servers import PostgresServer

    with PostgresServer(server_directory / "rule-7-postgres") as postgres, ExitStack() as stopping:
        stopping.callback(processes.stop)
        web = processes.start("web", wait=False, DATABASE_URL=postgres.url, DATABASE_TIMEOUT_SECONDS="1")
        web.wait_for("started|start_failed")
        web.wait_for("listening")
        client = api(web)
        postgres.stop()
        if client.http.get("/health").status_code != 200:
            raise Broken("/health fails when the database is down: the platform restarts what only waits")
        if client.http.get("/ready").status_code != 503:
            raise Broken("/ready does not answer 503 when the database is down: requests are sent here to fail")
