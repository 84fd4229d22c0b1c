"""What `doctor` examines: each check ends in one finding, and each failure says what to do."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..config import AdminSettings, ConfigurationError, Settings, load
from ..project import SLUG
from ..services.interfaces import Service, ServiceUnavailable, UserMessage
from .base import CommandFailed

if TYPE_CHECKING:
    from ..services.container import ServiceContainer

DEV_STARTS_IT = f"on your own machine `{SLUG} dev` starts one"


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` is `None` for what could not be examined because of another failure."""

    check: str
    ok: bool | None
    detail: str
    remedy: str | None = None


def examine(*, call_model: bool) -> list[Finding]:
    """Examine everything that the processes need. Never raises for what is wrong with any of it."""
    findings = [Finding("python", True, platform.python_version())]
    settings, finding = _settings()
    findings.append(finding)
    findings += _database()
    if settings is None:
        skipped = ("task queue", "cache", "event stream", "language model")
        return findings + [Finding(check, None, "needs the settings") for check in skipped]
    has_database = all(finding.ok for finding in findings[2:])
    return findings + asyncio.run(_services(settings, has_database=has_database, call_model=call_model))


def _settings() -> tuple[Settings | None, Finding]:
    try:
        settings = load(Settings)
    except ConfigurationError as error:
        remedy = f"set them in the environment, in .env or as secret files; `{SLUG} config show` tells what is set"
        return None, Finding("settings", False, "; ".join(error.problems), remedy)
    return settings, Finding("settings", True, f"{len(Settings.model_fields)} in order for {settings.ENVIRONMENT}")


def _database() -> list[Finding]:
    """The database and its migrations; these need no other setting than DATABASE_URL."""
    from .migrations import connect, create_admin_engine, pending

    try:
        settings = load(AdminSettings)
    except ConfigurationError:
        return [Finding(check, None, "needs the settings") for check in ("database", "migrations")]
    try:
        with connect(create_admin_engine(settings)) as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    except CommandFailed as error:
        remedy = f"start PostgreSQL or correct DATABASE_URL; {DEV_STARTS_IT}"
        return [Finding("database", False, str(error), remedy), Finding("migrations", None, "needs the database")]
    database = Finding("database", True, f"PostgreSQL {version}")
    try:
        waiting = [script.revision for script in pending(settings)]
    except CommandFailed as error:
        return [database, Finding("migrations", False, str(error), "deploy the code that fits the database")]
    if waiting:
        return [database, Finding("migrations", False, f"not applied: {', '.join(waiting)}", f"run `{SLUG} migrate`")]
    return [database, Finding("migrations", True, "up to date")]


async def _services(settings: Settings, *, has_database: bool, call_model: bool) -> list[Finding]:
    from ..services.container import ServiceContainer

    services = ServiceContainer(settings)

    async def queue() -> str:
        await services.task_queue.open()
        return f"{await services.task_queue.depth()} jobs waiting"

    async def ping(service: Service) -> str:
        await service.open()
        await service.ping()
        return "answers"

    async def model() -> str:
        await services.language_model.open()
        await services.language_model.ping()
        return await _call(services) if call_model else f"{settings.LLM_MODEL} is ready; --call-model asks it"

    start_cache = f"start Valkey or correct REDIS_URL; {DEV_STARTS_IT}"
    checks = [
        _finding("cache", ping(services.cache), start_cache),
        _finding("event stream", ping(services.event_stream), start_cache),
        _finding("language model", model(), "correct LLM_MODEL, LLM_API_KEY or LLM_BASE_URL"),
    ]
    async with AsyncExitStack() as stack:
        for service in services.by_name.values():
            stack.push_async_callback(service.close)
        if not has_database:
            return [Finding("task queue", None, "needs the migrated database"), *await asyncio.gather(*checks)]
        await services.database.open()
        return await asyncio.gather(_finding("task queue", queue(), f"run `{SLUG} migrate`"), *checks)


async def _call(services: ServiceContainer) -> str:
    async def on_text(text: str) -> None:
        """Nobody reads along."""

    started = time.perf_counter()
    reply = await services.language_model.respond("Answer in one word.", [UserMessage("Say hello.")], [], on_text)
    tokens = f"{reply.input_tokens} tokens in, {reply.output_tokens} out"
    return f"{reply.model} answered in {time.perf_counter() - started:.1f} s ({tokens})"


async def _finding(check: str, examined: Awaitable[str], remedy: str) -> Finding:
    try:
        return Finding(check, True, await examined)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the other checks go on
        cause = error.__cause__ if isinstance(error, ServiceUnavailable) and error.__cause__ else error
        return Finding(check, False, (str(cause) or type(cause).__name__).splitlines()[0], remedy)
