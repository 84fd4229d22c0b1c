"""Migrations of the database: two Alembic branches (the platform's and the agent's) and the queue's own (rule 12.1).

Everything runs under one advisory lock, each migration in a transaction of its own. Alembic's own command line works
too (`uv run alembic merge`, `history`, `stamp`): it reads the same places from pyproject.toml.
"""

from __future__ import annotations

import asyncio
import math
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ..project import SLUG
from .base import CommandFailed

if TYPE_CHECKING:
    from ..config import AdminSettings

DIRECTORY = "migrations"
BRANCHES = ("platform", "agent")
ADVISORY_LOCK = 0x6D69_6772_6174_65  # "migrate"; such locks are apart for each database
ASK_AGAIN_SECONDS = 0.2
# A migration that waits for a table stops every query that comes after it: better it gives up, and is tried again.
LOCK_TIMEOUT = "10s"

Say = Callable[[str], None]


def configuration() -> Config:
    """Alembic's configuration. Raises `CommandFailed` outside the project's root (or the image's working directory)."""
    root = Path.cwd() / DIRECTORY
    if not (root / "env.py").is_file():
        raise CommandFailed(f"There is no {DIRECTORY}/env.py in {Path.cwd()}: run this from the project's root.")
    config = Config(cmd_opts=Namespace(quiet=True))  # what there is to say is said here
    escaped = str(root).replace("%", "%%")
    config.set_main_option("script_location", escaped)
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(f"{escaped}/{branch}" for branch in BRANCHES))
    return config


def scripts(config: Config) -> ScriptDirectory:
    """The revisions there are. Raises `CommandFailed` for two of one name: Alembic would leave one of them out."""
    directory = ScriptDirectory.from_config(config)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Revision .* is present more than once")
        try:
            directory.get_heads()
        except UserWarning as warning:
            raise CommandFailed(f"{warning}: rename one in {DIRECTORY}/, and set its down_revision.") from None
        except (CommandError, RevisionError) as error:
            raise CommandFailed(f"The revisions in {DIRECTORY}/ do not fit together: {error}") from error
    return directory


def create_admin_engine(settings: AdminSettings) -> Engine:
    """An engine whose address only libpq reads: what DATABASE_URL means is the same here as for the processes."""
    return create_engine(
        # With no parameter at all SQLAlchemy would pass an empty address of its own.
        f"postgresql+psycopg://?application_name={SLUG}-migrate",
        connect_args={
            "conninfo": settings.DATABASE_URL.get_secret_value(),
            "connect_timeout": max(2, math.ceil(settings.DATABASE_TIMEOUT_SECONDS)),
            "prepare_threshold": None,  # a pooler in between may give each transaction another session
        },
        poolclass=NullPool,
    )


@contextmanager
def connect(engine: Engine) -> Iterator[Connection]:
    """A connection. Raises `CommandFailed` with the reason when there is none to be had."""
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise CommandFailed(f"The database cannot be reached: {_reason(str(error.orig))}.") from error
    with connection:
        yield connection


def _reason(message: str) -> str:
    """Why a connection failed, without what may be part of a badly written address, hence of a password."""
    for sign, reason in {
        "Connection refused": "nothing listens at the host and port of DATABASE_URL",
        "resolve host": "the host of DATABASE_URL is unknown",
        "timeout": "the host of DATABASE_URL does not answer",
    }.items():
        if sign in message:
            return reason
    _, fatal, detail = message.partition("FATAL:")
    return detail.strip().splitlines()[0] if fatal else "check the form of DATABASE_URL"


@contextmanager
def _exclusively(engine: Engine, say: Say) -> Iterator[None]:
    """One at a time: a second `migrate` waits here, and then finds nothing to do.

    The lock is a transaction's, so that it holds through a pooler. No transaction waits for it, and the one that holds
    it keeps no snapshot: a `CREATE INDEX CONCURRENTLY` would wait for either, for ever.
    """
    with connect(engine) as connection:
        told = False
        while not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK}):
            connection.rollback()
            if not told:
                say("Another process is migrating this database: waiting for it.")
                told = True
            time.sleep(ASK_AGAIN_SECONDS)
        # Any statement without a result would do to have the server drop the snapshot of the one before.
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield


def _give_up_waiting(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")


def current_heads(connection: Connection) -> tuple[str, ...]:
    """The newest revision of each branch that the database has."""
    heads = MigrationContext.configure(connection).get_current_heads()
    connection.rollback()  # reading began a transaction
    return heads


def _plan(directory: ScriptDirectory, have: Sequence[str], target: str, *, down: bool = False) -> list[Script]:
    """The revisions to apply, or to take back, in that order."""
    try:
        if down:
            return list(directory.iterate_revisions(tuple(have), target, select_for_downgrade=True))
        return list(directory.iterate_revisions(target, tuple(have), implicit_base=True))[::-1]
    except (CommandError, RevisionError) as error:
        raise CommandFailed(f"{error}: `{SLUG} migrations history` lists the revisions.") from error


def _targets(directory: ScriptDirectory, to: str | None) -> list[str]:
    """Where an upgrade goes: to the newest of all, the platform's first, so that the agent's may build on them."""
    if to is not None:
        return [to]
    labels = {label for script in directory.walk_revisions() for label in script.branch_labels}
    return [f"{branch}@heads" for branch in BRANCHES if branch in labels]


def revisions() -> list[Script]:
    """All there are, the oldest first, branch by branch."""
    return list(scripts(configuration()).walk_revisions())[::-1]


def pending(settings: AdminSettings, to: str | None = None) -> list[Script]:
    """The revisions that `upgrade` would apply. Raises `CommandFailed` when the database has some that are not here."""
    directory = scripts(configuration())
    with connect(create_admin_engine(settings)) as connection:
        have = current_heads(connection)
    plans = [_plan(directory, have, target) for target in _targets(directory, to)]
    return list(dict.fromkeys(script for plan in plans for script in plan))


def upgrade(settings: AdminSettings, to: str | None = None, say: Say = print) -> int:
    """Apply what is pending, up to `to` or else all, and the queue's own migrations; returns how many were applied.

    Safe to call in several processes at once; not inside a running event loop. Raises `CommandFailed`, naming the
    revision that failed: it left nothing behind, and those before it stay applied.
    """
    from ..services.implementations.procrastinate_queue import migrate_schema

    engine = create_admin_engine(settings)
    with _exclusively(engine, say):
        applied = sum(_run(engine, command.upgrade, target, say) for target in _targets(scripts(configuration()), to))
        started = time.monotonic()
        of_queue = asyncio.run(migrate_schema(settings.DATABASE_URL.get_secret_value()))
        for name in of_queue:
            say(_line(f"queue {name}", "The tables of the task queue.", time.monotonic() - started))
    return applied + len(of_queue)


def downgrade(settings: AdminSettings, to: str, say: Say = print) -> int:
    """Take back revisions down to `to` (such as `agent@-1` or `platform@base`); returns how many."""
    engine = create_admin_engine(settings)
    with _exclusively(engine, say):
        return _run(engine, command.downgrade, to, say)


def _run(engine: Engine, run: Callable[[Config, str], None], target: str, say: Say) -> int:
    config = configuration()
    done: list[str] = []
    started = time.monotonic()
    with connect(engine) as connection:
        plan = _plan(scripts(config), current_heads(connection), target, down=run is command.downgrade)

        def on_version_apply(**_: Any) -> None:
            nonlocal started
            script = plan[len(done)]
            say(_line(script.revision, script.doc, time.monotonic() - started))
            done.append(script.revision)
            started = time.monotonic()

        config.attributes.update(connection=connection, on_version_apply=on_version_apply)
        event.listen(connection, "begin", _give_up_waiting)
        try:
            run(config, target)
        except Exception as error:
            if len(done) == len(plan):
                raise
            script = plan[len(done)]
            cause = str(error.orig) if isinstance(error, DBAPIError) else f"{type(error).__name__}: {error}"
            raise CommandFailed(
                f"Migration {script.revision} ({script.doc.rstrip('.')}) failed and was rolled back: {cause.strip()}"
            ) from error
    return len(done)


def _line(revision: str, what: str, seconds: float) -> str:
    return f"{revision:<16}  {what}  ({seconds:.2f} s)"


def new_revision(message: str) -> Path:
    """Write the next, empty revision of the agent's branch; returns its file."""
    # It becomes a docstring and the name of the file.
    message = " ".join(message.split()).rstrip(".").replace("\\", "/").replace('"', "'")
    config = configuration()
    directory = scripts(config)
    numbers = [
        int(script.revision.removeprefix("agent_"))
        for script in directory.walk_revisions()
        if script.revision.startswith("agent_") and script.revision.removeprefix("agent_").isdigit()
    ]
    number = max(numbers, default=0) + 1
    config.set_main_option("file_template", f"{number:04d}_%%(slug)s")
    script = command.revision(
        config,
        message,
        rev_id=f"agent_{number:04d}",
        # The first of all begins the branch; each other one follows the newest.
        head="agent@head" if numbers else "base",
        branch_label=None if numbers else "agent",
        version_path=str(Path.cwd() / DIRECTORY / "agent"),
    )
    assert isinstance(script, Script)  # noqa: S101  one message makes one revision
    return Path(script.path).relative_to(Path.cwd())
