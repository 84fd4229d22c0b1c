"""`export`, `import` and `erase`: conversations and everything else stored about an owner (rule 12.1)."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TextIO

import typer

from ..base import CommandFailed, check_owner, open_database, run
from ..command_audit import record_action

if TYPE_CHECKING:
    from ...chat.conversation_archive import SessionRecord
    from ...services.interfaces import Database


class OnError(StrEnum):
    """How an import treats a bad line."""

    FAIL = "fail"
    SKIP = "skip"


def export_conversations(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; standard output by default.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Export everything of this owner instead of all sessions.")] = None,
) -> None:
    """Write conversations as JSON Lines: a session on each line, with all turns that have ended.

    With --owner, all other records of that owner follow: notes, unfinished turns, approvals, keys (without secrets),
    usage, budgets, and entries of the audit log.
    """
    if output is None:
        sessions, records = run(_export(sys.stdout, owner))
    else:
        if output.is_dir():
            raise CommandFailed(f"{output} is a directory: name a file.")
        unfinished = output.with_name(f"{output.name}.part")  # an interrupted export leaves no file named `output`
        try:
            with unfinished.open("w", encoding="utf-8", newline="\n") as file:
                sessions, records = run(_export(file, owner))
            unfinished.replace(output)
        except OSError as error:
            raise CommandFailed(f"{output} cannot be written: {error.strerror or error}.") from error
    others = "" if owner is None else f" and {records} other records"
    print(f"{sessions} sessions{others} exported.", file=sys.stderr)


async def _export(file: TextIO, owner: str | None) -> tuple[int, int]:
    from ...chat import conversation_archive
    from .. import personal_data

    sessions = records = 0
    async with open_database() as database:
        total = await conversation_archive.count(database, owner)
        with typer.progressbar(
            length=total, label="Exporting", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as progress:
            async for session in conversation_archive.read(database, owner):
                file.write(conversation_archive.to_line(session))
                sessions += 1
                progress.update(1)
        if owner is not None:
            async for record in personal_data.read(database, owner):
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
                records += 1
        await record_action(database, "export.data", owner, sessions=sessions, records=records)
    return sessions, records


def import_conversations(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="A file written by `export`; - for standard input.")],
    on_error: Annotated[
        OnError, typer.Option(help="Stop at a bad line, or skip it. Its number is printed in both cases.")
    ] = OnError.FAIL,
) -> None:
    """Read conversations written by `export`. Existing sessions stay as they are.

    Run an interrupted import again to continue it. Other records of an owner are skipped: keys, budgets and the audit
    log belong to the service that wrote them.
    """
    run(_Import(file, on_error).run())


class _Import:
    """One pass over a file that stores each page of good lines in one transaction."""

    def __init__(self, file: BinaryIO, on_error: OnError) -> None:
        self._file = file
        self._stops = on_error is OnError.FAIL
        self._imported = self._present = self._bad = 0
        self._skipped: Counter[str] = Counter()

    async def run(self) -> None:
        async with open_database() as database:
            try:
                await self._read(database)
            finally:
                self._print_summary()
        if self._bad and self._stops:
            raise CommandFailed("Stopped at the bad line: correct it and run this again, or use --on-error skip.")

    def _print_summary(self) -> None:
        summary = f"{self._imported} sessions imported, {self._present} already present"
        print(f"{summary}, {self._bad} bad lines." if self._bad else f"{summary}.", file=sys.stderr)
        if self._skipped:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self._skipped.items()))
            print(f"Skipped, since an import takes sessions only: {kinds}.", file=sys.stderr)

    async def _read(self, database: Database) -> None:
        from ...chat.conversation_archive import PAGE, BadLine, OtherRecord, parse, write

        page: list[SessionRecord] = []

        async def store() -> None:
            written = await write(database, page)
            self._imported += written
            self._present += len(page) - written
            page.clear()

        size = os.fstat(self._file.fileno()).st_size if self._file.seekable() else None  # a pipe has no size
        is_terminal = sys.stderr.isatty()
        with typer.progressbar(
            length=size or 0, label="Importing", file=sys.stderr, hidden=size is None or not is_terminal
        ) as progress:
            for number, line in enumerate(self._file, 1):
                progress.update(len(line))
                if not line.strip():
                    continue
                try:
                    page.append(parse(line))
                except OtherRecord as record:
                    self._skipped[record.kind] += 1
                except BadLine as reason:
                    self._bad += 1
                    clear = "\r\x1b[K" if is_terminal else ""  # the progress bar, which is drawn again below
                    print(f"{clear}line {number}: {reason}", file=sys.stderr)
                    if self._stops:
                        break
                if len(page) == PAGE:
                    await store()
        await store()


def erase(
    owner: Annotated[str, typer.Argument(help="The `sub` of the owner's tokens.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete an owner's data and API keys. Entries of the audit log stay until their term ends.

    Revoke the owner's access first: a valid token can create new data.
    """
    from .. import personal_data

    check_owner(owner)
    if not yes:
        typer.confirm(f"This deletes all data of {owner}. Continue?", abort=True, err=True)

    async def delete() -> dict[str, int]:
        async with open_database() as database:
            try:
                erased = await personal_data.erase(database, owner)
            except personal_data.NotErasable as kinds:
                raise CommandFailed(
                    f"Nothing was deleted: agent/exports.py exports {kinds} of an owner but cannot delete it. Add a "
                    "function with @registry.erasure(...)."
                ) from None
            await record_action(database, "erase.data", owner, **erased)
            return erased

    found = {kind: number for kind, number in run(delete()).items() if number}
    if not found:
        raise CommandFailed(f"No data of {owner} was found: is that the `sub` of their tokens?")
    print(f"Deleted of {owner}: {', '.join(f'{number} {kind}' for kind, number in found.items())}.")
