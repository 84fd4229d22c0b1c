"""Runs `export` and `erase`, and asks the catalogue which tables they read (rule 13.1)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .belongings import PERSONAL
from .check import Broken

if TYPE_CHECKING:
    from tests.support.processes import Processes

# The tables that hold an owner by the name of a column, or refer to a table of the platform that does.
OF_OWNERS = f"""
    SELECT DISTINCT relname FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname = current_schema()
    LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_constraint ON conrelid = pg_class.oid AND contype = 'f'
    WHERE relkind IN ('r', 'p') AND (
        attname ~* '^({PERSONAL.pattern})$'
        OR confrelid::regclass::text IN ('users', 'chat_sessions', 'turns')
    )
"""
SCANS = "SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables"


def reach(processes: Processes) -> None:
    """Raises `Broken` for a table of the agent with an owner that one of the commands does not read."""
    from tests.support.databases import new_database, rows

    with new_database(processes.environment["DATABASE_URL"]) as url:
        there = processes.with_environment(DATABASE_URL=url)
        there.command("migrate", "--to", "platform@head")
        of_the_platform = {name for (name,) in rows(url, OF_OWNERS)}
        there.command("migrate")
        own = {name for (name,) in rows(url, OF_OWNERS)} - of_the_platform
        rows(url, "INSERT INTO users (subject, name) VALUES ('planted', 'planted')")
        for command in (("export", "--owner", "planted"), ("erase", "planted", "--yes")):
            before = dict(rows(url, SCANS))
            if there.command(*command).exit_code:
                raise Broken("the command {command} fails", command=command[0])
            deadline = time.monotonic() + 30
            while (after := dict(rows(url, SCANS)))["users"] == before["users"]:  # counted when its session has ended
                if time.monotonic() > deadline:
                    raise Broken("the command {command} does not even look for the owner", command=command[0])
                time.sleep(0.05)
            for name in sorted(own):
                if after[name] == before[name]:
                    what = "the command {command} does not reach the table {table}, which holds what is an owner's"
                    raise Broken(what, command=command[0], table=name)
