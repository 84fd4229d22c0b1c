"""`export` and `import`: JSON Lines, a session on each line, or another record of an owner (rule 12.1)."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TextIO

import typer

if TYPE_CHECKING:
    from ...services.interfaces import Database
    from ..conversation_archive import SessionRecord


class OnError(StrEnum):
    """What a bad line does to an import."""

    FAIL = "fail"
    SKIP = "skip"


@contextmanager
def _progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where people watch and the end is known. What it gives is called with the steps done."""
    hidden = total is None or not sys.stderr.isatty()
    with typer.progressbar(length=total or 0, label=label, file=sys.stderr, hidden=hidden) as bar:
        yield bar.update


def _beside_the_bar(text: str) -> None:
    """Print a line on standard error, over the bar where there is one: it is drawn again below."""
    print(f"\r\x1b[K{text}" if sys.stderr.isatty() else text, file=sys.stderr)


def export_conversations(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; standard output when not given.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="All of theirs; everybody's sessions when not given.")] = None,
) -> None:
    """Write conversations as JSON Lines: a session on each line, with all turns that have ended.

    With --owner, all else that is kept of them follows: notes, turns under way, approvals, keys (not their secrets),
    use and budgets, and what the audit log says of them.
    """
    from ..base import CommandFailed, run

    if output is None:
        sessions, records = run(_export(sys.stdout, owner))
    else:
        # A file of this name is a whole one, even when this stops half-way.
        if output.is_dir():
            raise CommandFailed(f"{output} is a directory: name a file.")
        unfinished = output.with_name(f"{output.name}.part")
        try:
            with unfinished.open("w", encoding="utf-8", newline="\n") as file:
                sessions, records = run(_export(file, owner))
            unfinished.replace(output)
        except OSError as error:
            raise CommandFailed(f"{output} cannot be written: {error.strerror or error}.") from error
    others = "" if owner is None else f" and {records} other records"
    print(f"{sessions} sessions{others} exported.", file=sys.stderr)


async def _export(file: TextIO, owner: str | None) -> tuple[int, int]:
    from .. import conversation_archive, personal_data
    from ..base import open_database
    from ..command_audit import record_act

    sessions = records = 0
    async with open_database() as database:
        total = await conversation_archive.count(database, owner)
        with _progress("Exporting", total) as advance:
            async for session in conversation_archive.read(database, owner):
                file.write(conversation_archive.to_line(session))
                sessions += 1
                advance(1)
        if owner is not None:
            async for record in personal_data.read(database, owner):
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
                records += 1
        await record_act(database, "export.data", owner, sessions=sessions, records=records)
    return sessions, records


def import_conversations(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="A file that `export` wrote; - for standard input.")],
    on_error: Annotated[
        OnError, typer.Option(help="A bad line is told by its number; then stop there, or go on without it.")
    ] = OnError.FAIL,
) -> None:
    """Read conversations that `export` wrote. Sessions that are there already stay as they are.

    So an import that stopped half-way goes on where it was when it is run again. Other records of an owner are left
    out: keys, budgets and the audit log belong to the service that wrote them.
    """
    from ..base import run

    run(_Import(file, on_error).run())


class _Import:
    """One pass over a file: good lines are stored page by page, each page in one transaction."""

    def __init__(self, file: BinaryIO, on_error: OnError) -> None:
        self._file = file
        self._on_error = on_error
        self._imported = self._present = self._bad = 0
        self._left_out: Counter[str] = Counter()

    async def run(self) -> None:
        from ..base import CommandFailed, open_database

        async with open_database() as database:
            try:
                await self._read(database)
            finally:
                self._summarise()
        if self._bad and self._on_error is OnError.FAIL:
            raise CommandFailed("Stopped at the bad line: correct it and run this again, or use --on-error skip.")

    def _summarise(self) -> None:
        summary = f"{self._imported} sessions imported, {self._present} were there already"
        print(f"{summary}, {self._bad} bad lines." if self._bad else f"{summary}.", file=sys.stderr)
        if self._left_out:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self._left_out.items()))
            print(f"Left out, since an import takes sessions only: {kinds}.", file=sys.stderr)

    async def _read(self, database: Database) -> None:
        from ..conversation_archive import PAGE, BadLine, OtherRecord, parse, write

        page: list[SessionRecord] = []

        async def store() -> None:
            written = await write(database, page)
            self._imported += written
            self._present += len(page) - written
            page.clear()

        with _progress("Importing", self._size()) as advance:
            for number, line in enumerate(self._file, 1):
                advance(len(line))
                if not line.strip():
                    continue
                try:
                    page.append(parse(line))
                except OtherRecord as record:
                    self._left_out[record.kind] += 1
                except BadLine as reason:
                    self._bad += 1
                    _beside_the_bar(f"line {number}: {reason}")
                    if self._on_error is OnError.FAIL:
                        break
                if len(page) == PAGE:
                    await store()
        await store()

    def _size(self) -> int | None:
        """In bytes; `None` for a pipe."""
        return os.fstat(self._file.fileno()).st_size if self._file.seekable() else None
