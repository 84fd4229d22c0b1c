"""Rule 4.1: databases, caches, queues and models are attached by configuration, behind interfaces."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from agent_devtools.rules.check import Broken, check
from agent_devtools.rules.project import Module, Project, Violation, named

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import Processes, RunningProcess

IMPLEMENTATIONS = "services/implementations/"
# May import an implementation: the container, and `open_database`, which opens one service for a command.
MIGRATES = "management/"  # whose migrations and embedded servers come before there are services
ATTACH = ("services/", "management/", "agent/commands", "extensions.py", "processes/")
# The clients of databases, caches, queues, mail, storage and models that people reach for.
DRIVERS = {
    "MySQLdb",
    "aio_pika",
    "aioboto3",
    "aiobotocore",
    "aiokafka",
    "aiomcache",
    "aiomysql",
    "aiopg",
    "aioredis",
    "aiosmtplib",
    "aiosqlite",
    "anthropic",
    "apsw",
    "arq",
    "asyncmy",
    "asyncpg",
    "beanie",
    "boto3",
    "botocore",
    "cassandra",
    "celery",
    "chromadb",
    "clickhouse_connect",
    "clickhouse_driver",
    "cohere",
    "confluent_kafka",
    "coredis",
    "couchdb",
    "cx_Oracle",
    "databases",
    "dbm",
    "deepseek",
    "diskcache",
    "dramatiq",
    "duckdb",
    "elasticsearch",
    "emcache",
    "fireworks",
    "ftplib",
    "gino",
    "google.cloud",
    "google.genai",
    "google.generativeai",
    "groq",
    "huey",
    "huggingface_hub",
    "imaplib",
    "influxdb",
    "influxdb_client",
    "instructor",
    "kafka",
    "kombu",
    "lancedb",
    "langchain",
    "langchain_anthropic",
    "langchain_community",
    "langchain_core",
    "langchain_openai",
    "langgraph",
    "ldap3",
    "litellm",
    "llama_index",
    "lmdb",
    "mailgun",
    "memcache",
    "minio",
    "mistralai",
    "mongoengine",
    "motor",
    "mysql",
    "nats",
    "neo4j",
    "ollama",
    "openai",
    "opensearchpy",
    "oracledb",
    "ormar",
    "paramiko",
    "peewee",
    "pg8000",
    "pika",
    "pinecone",
    "plyvel",
    "poplib",
    "procrastinate",
    "psycopg",
    "psycopg2",
    "psycopg_pool",
    "pydantic_ai",
    "pymemcache",
    "pymilvus",
    "pymongo",
    "pymssql",
    "pymysql",
    "pyodbc",
    "qdrant_client",
    "redis",
    "replicate",
    "rocksdb",
    "rq",
    "s3fs",
    "sendgrid",
    "shelve",
    "slack_sdk",
    "smtplib",
    "snowflake",
    "sqlalchemy",
    "sqlite3",
    "sqlmodel",
    "stripe",
    "supabase",
    "surrealdb",
    "taskiq",
    "together",
    "tortoise",
    "turbopuffer",
    "twilio",
    "valkey",
    "vertexai",
    "voyageai",
    "weaviate",
    "zmq",
}


@check("Use what `services` offers by its interface; import the driver in services/implementations/ alone.")
def test_drivers_stay_in_implementations(project: Project) -> Iterator[Violation]:
    contracts = project.pyproject["tool"]["importlinter"]["contracts"]
    drivers = next(contract for contract in contracts if contract["id"] == "drivers")
    package = project.package.removeprefix("src/")
    allowed = [line.replace("**", "*").split(" -> ") for line in drivers["ignore_imports"]]
    listed = {*DRIVERS, *drivers["forbidden_modules"]}
    for module in project.modules():
        inside = project.inside(module)
        if inside.startswith(IMPLEMENTATIONS):
            continue
        for node, name in project.flow.imports(module):
            driver = next((each for each in _beginnings(name) if each in listed), None)
            if driver and not _is_allowed(module, driver, allowed) and not inside.startswith(MIGRATES):
                yield module.found(node, "imports the driver {driver}", driver=driver)
            if name.startswith(f"{package}.services.implementations") and not inside.startswith(ATTACH):
                yield module.found(node, "uses an implementation of a service, not its interface")


def _beginnings(name: str) -> list[str]:
    """`google.cloud.storage` is of `google` and of `google.cloud`."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _is_allowed(module: Module, driver: str, allowed: list[list[str]]) -> bool:
    return any(driver == name and fnmatchcase(module.dotted, importer) for importer, name in allowed)


@check("Declare a Protocol in services/interfaces.py, and give the attribute of ServiceContainer that type.")
def test_services_have_interfaces(project: Project) -> Iterator[Violation]:
    interfaces = project.module("services/interfaces.py")
    known = {node.name: node for node in interfaces.tree.body if isinstance(node, ast.ClassDef)}
    declared = {
        f"self.{named(node.target)}": named(node.annotation)
        for node in known["Services"].body
        if isinstance(node, ast.AnnAssign)
    }
    container = project.module("services/container.py")
    imported = {
        alias.name
        for node in container.all(ast.ImportFrom)
        if (node.module or "").startswith("implementations")
        for alias in node.names
    }
    for node in container.all(ast.Assign, ast.AnnAssign):
        value = node.value
        if not isinstance(value, ast.Call) or named(value.func) not in imported:
            continue
        if isinstance(node, ast.AnnAssign):
            interface = named(node.annotation)
        else:
            interface = declared.get(named(node.targets[0]), "")
        if interface not in known:
            yield container.found(node, "{name} is offered without an interface", name=named(value.func))


@check(
    "Take every address from the settings, at the moment that a service is opened.",
    at=("services/container.py", "def __init__"),
)
def test_services_move_by_configuration(
    server_directory: Path,
    environment: dict[str, str],
    replicas: list[RunningProcess],
    processes: Processes,
    api: Callable[[RunningProcess], Api],
) -> None:
    from agent_devtools.dev_servers import PostgresServer, ValkeyServer
    from tests.support.databases import rows

    with (
        PostgresServer(server_directory / "rule-4-postgres") as postgres,
        ValkeyServer(server_directory / "rule-4-valkey") as valkey,
        ExitStack() as stopping,
    ):
        stopping.callback(processes.stop)
        there = processes.with_environment(DATABASE_URL=postgres.url, REDIS_URL=valkey.url)
        if (migrated := there.command("migrate")).exit_code:
            raise Broken("a database on another server cannot be migrated: {text}", text=migrated.output.strip()[:200])
        moved, stayed = api(there.start("web")), api(replicas[0])
        for client, url in ((moved, postgres.url), (stayed, environment["DATABASE_URL"])):
            query = f"SELECT 1 FROM chat_sessions WHERE id = '{client.create_session()}'"
            if [at for at in (postgres.url, environment["DATABASE_URL"]) if rows(at, query)] != [url]:
                raise Broken("two processes whose DATABASE_URL differs do not write each to its own server alone")


@check(
    "Let only what needs the cache fail, as ServiceUnavailable, and try again at the next request.",
    at=("observability/health.py", "def check_services"),
)
def test_without_its_cache_a_process_serves_what_it_can(
    server_directory: Path, processes: Processes, api: Callable[[RunningProcess], Api]
) -> None:
    from agent_devtools.dev_servers import ValkeyServer

    with ValkeyServer(server_directory / "rule-4-fragile") as valkey, ExitStack() as stopping:
        stopping.callback(processes.stop)
        client = api(processes.start("web", REDIS_URL=valkey.url, REDIS_TIMEOUT_SECONDS="1"))
        session_id = client.create_session()
        valkey.stop()
        ready = client.http.get("/ready")
        if ready.status_code != 503 or ready.json()["checks"]["cache"] == "ok":
            raise Broken("/ready does not report that the cache is down")
        if client.http.get(f"/chat/sessions/{session_id}/history").status_code != 200:
            raise Broken("a conversation cannot be read while the cache is down, though the database has it")
        valkey.start()
        if client.send(session_id, "Hello").status_code != 200:
            raise Broken("a process does not come back by itself when its cache does")
