"""The task queue in PostgreSQL, through procrastinate: a job commits in the same transaction as what it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import procrastinate
import psycopg
import structlog
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.schema import SchemaManager

from ..interfaces import Executor, ServiceUnavailable
from .postgres import PostgresDatabase, PostgresExecutor

if TYPE_CHECKING:
    from ...config import Settings
    from ...extensions import Task, TaskContext

log = structlog.get_logger()

MAX_ATTEMPTS = 5
POLL_SECONDS = 1.0  # for jobs whose time comes; a new job is told at once
HEARTBEAT_SECONDS = 3.0
STALLED_SECONDS = 10.0  # a worker whose last heartbeat is older is dead


class _Retry(procrastinate.BaseRetryStrategy):
    """A job that a stopping worker cut short is queued again at once; one that failed, after 2, 4, 8 and 16 s."""

    def get_retry_decision(
        self, *, exception: BaseException, job: procrastinate.jobs.Job
    ) -> procrastinate.RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError):
            return procrastinate.RetryDecision(retry_in={"seconds": 0})
        if job.attempts + 1 >= MAX_ATTEMPTS:
            return None
        return procrastinate.RetryDecision(retry_in={"seconds": 2 ** (job.attempts + 1)})


class ProcrastinateQueue:
    """Shares the pool of `database`."""

    def __init__(self, settings: Settings, database: PostgresDatabase) -> None:
        self._database = database
        self._concurrency = settings.WORKER_CONCURRENCY
        self._grace = settings.SHUTDOWN_GRACE_SECONDS
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector())

    async def open(self) -> None:
        await self._app.open_async(self._database.pool)

    async def close(self) -> None:
        await self._app.close_async()

    async def ping(self) -> None:
        await self.depth()

    async def enqueue(
        self, task: str, arguments: dict[str, Any], *, executor: Executor | None = None, key: str | None = None
    ) -> None:
        connection = executor.connection if isinstance(executor, PostgresExecutor) else None
        job = self._app.configure_task(task, allow_unknown=True, queueing_lock=key, connection=connection)
        try:
            with suppress(AlreadyEnqueued):
                if connection is not None and key is not None:
                    async with connection.transaction():  # a savepoint: a conflict must not undo the caller's work
                        await job.defer_async(**arguments)
                else:
                    await job.defer_async(**arguments)
        except ConnectorException as error:
            raise ServiceUnavailable("task queue") from error

    async def depth(self) -> int:
        count: int = await self._database.fetch_value("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")
        return count

    async def work(self, tasks: Mapping[str, Task], context: TaskContext, stop: asyncio.Event) -> None:
        for task in tasks.values():
            self._register(task, context)
        while not stop.is_set():
            worker = asyncio.create_task(
                self._app.run_worker_async(
                    concurrency=self._concurrency,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=self._grace,
                    delete_jobs="successful",
                    fetch_job_polling_interval=POLL_SECONDS,
                    update_heartbeat_interval=HEARTBEAT_SECONDS,
                    stalled_worker_timeout=STALLED_SECONDS,
                )
            )
            rescue = asyncio.create_task(self._rescue_stalled_jobs())
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({worker, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for started in (rescue, stopped, worker):
                started.cancel()
            ended = await asyncio.gather(worker, rescue, stopped, return_exceptions=True)
            if not stop.is_set():
                log.warning("the worker lost the database, and starts again", reason=_reason(ended[0]))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 1)

    def _register(self, task: Task, context: TaskContext) -> None:
        async def run(**arguments: Any) -> None:
            await task.run(context, **arguments)

        self._app.task(name=task.name, retry=_Retry())(run)

    async def _rescue_stalled_jobs(self) -> None:
        """Queue again what a dead worker had begun: procrastinate finds such jobs, and leaves the rest to us."""
        manager = self._app.job_manager
        while True:
            with suppress(ConnectorException):
                for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
                    log.warning("a worker died: its job is queued again", task=job.task_name, job=job.id)
                    with suppress(ConnectorException):  # another worker was quicker
                        await manager.retry_job(job)
            await asyncio.sleep(HEARTBEAT_SECONDS)


def _reason(error: object) -> str:
    cause = error.__cause__ or error if isinstance(error, BaseException) else error
    return str(cause).partition("\n")[0]


async def migrate_schema(database_url: str) -> list[str]:
    """Bring the queue's tables to the installed procrastinate's version; returns the names of the migrations applied.

    Procrastinate ships its migrations as SQL files and does not record which were applied: a table here does.
    """
    available = {path.name: path.read_bytes() for path in sorted(_migrations())}
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS procrastinate_migrations (name text PRIMARY KEY)")
        rows = await connection.execute("SELECT name FROM procrastinate_migrations")
        known = {name for (name,) in await rows.fetchall()}
        pending = [name for name in available if name not in known]
        if not known:
            async with connection.transaction():
                await connection.execute(SchemaManager.get_schema())
                await _record(connection, available)
            return ["schema"]
        for name in pending:
            async with connection.transaction():
                await connection.execute(available[name])
                await _record(connection, [name])
        return pending


def _migrations() -> Iterable[Path]:
    return Path(SchemaManager.get_migrations_path()).glob("*.sql")


async def _record(connection: psycopg.AsyncConnection, names: Iterable[str]) -> None:
    await connection.execute("INSERT INTO procrastinate_migrations SELECT unnest(%s::text[])", (list(names),))
