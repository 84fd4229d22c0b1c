"""`export`, `import` and `erase`: conversations and everything else stored about an owner (rule 12.1)."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, TextIO

import typer

from ..base import CommandFailed, check_owner, record_action, with_database
from ..terminal import BOLD, GREEN, RED, styled, wrapped

if TYPE_CHECKING:
    from ...chat.conversation_archive import SessionRecord
    from ...services.interfaces import Database


def export_conversations(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; standard output by default.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Export everything of this owner instead of all sessions.")] = None,
) -> None:
    """Write conversations as JSON Lines: a session on each line, with all turns that have ended, then its files.

    With --owner, all other records of that owner follow: notes, unfinished turns, approvals, keys (without secrets),
    other files, usage, budgets, and entries of the audit log.
    """
    if output is None:
        sessions, files, records = with_database(lambda database: _export(database, sys.stdout, owner))
    else:
        if output.is_dir():
            raise CommandFailed(f"{output} is a directory: name a file.")
        unfinished = output.with_name(f"{output.name}.part")  # an interrupted export leaves no file named `output`
        try:
            with unfinished.open("w", encoding="utf-8", newline="\n") as file:
                sessions, files, records = with_database(lambda database: _export(database, file, owner))
            unfinished.replace(output)
        except OSError as error:
            raise CommandFailed(f"{output} cannot be written: {error.strerror or error}.") from error
    with_files = f" with {files} files" if files else ""
    others = "" if owner is None else f" and {records} other records"
    print(f"{sessions} sessions{with_files}{others} exported.", file=sys.stderr)


async def _export(database: Database, file: TextIO, owner: str | None) -> tuple[int, int, int]:
    from ...chat import conversation_archive, file_archive
    from .. import personal_data

    sessions = files = records = 0
    with _progress("Exporting", await conversation_archive.count(database, owner)) as progress:
        async for session in conversation_archive.read(database, owner):
            file.write(session.model_dump_json() + "\n")
            async for attached in file_archive.files_of(database, session):
                file.write(attached.model_dump_json() + "\n")
                files += 1
            sessions += 1
            progress.update(1)
    if owner is not None:
        async for pending in file_archive.pending_files(database, owner):
            file.write(pending.model_dump_json() + "\n")
            records += 1
        async for record in personal_data.read(database, owner):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            records += 1
    await record_action(database, "export.data", owner, sessions=sessions, files=files, records=records)
    return sessions, files, records


def _progress(label: str, length: int | None) -> Any:
    """Return a progress bar on standard error if that is a terminal and the length is known."""
    return typer.progressbar(
        length=length or 0, label=label, file=sys.stderr, hidden=length is None or not sys.stderr.isatty()
    )


def import_conversations(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="A file written by `export`; - for standard input.")],
    on_error: Annotated[
        Literal["fail", "skip"],
        typer.Option(help="Stop at a bad line, or skip it. Its number is printed in both cases."),
    ] = "fail",
) -> None:
    """Read conversations and their files written by `export`. Existing sessions stay as they are.

    Run an interrupted import again to continue it. Other records of an owner are skipped: keys, budgets and the audit
    log belong to the service that wrote them.
    """
    stops = on_error == "fail"
    if with_database(lambda database: _import(database, file, stops=stops)) and stops:
        raise CommandFailed("Stopped at the bad line: correct it and run this again, or use --on-error skip.")


async def _import(database: Database, file: BinaryIO, *, stops: bool) -> int:
    """Store each page of good lines in one transaction; return the number of bad ones."""
    from ...chat import file_archive
    from ...chat.conversation_archive import PAGE, BadLine, OtherRecord, parse, write

    page: list[SessionRecord] = []
    imported = files = present = bad = 0
    skipped: Counter[str] = Counter()

    async def store() -> None:
        nonlocal imported, present
        written = await write(database, page)
        imported += written
        present += len(page) - written
        page.clear()

    size = os.fstat(file.fileno()).st_size if file.seekable() else None  # a pipe has no size
    try:
        with _progress("Importing", size) as progress:
            for number, line in enumerate(file, 1):
                progress.update(len(line))
                if not line.strip():
                    continue
                try:
                    try:
                        page.append(parse(line))
                    except OtherRecord as kind:
                        if str(kind) == "file":
                            attached = file_archive.parse(line)
                            await store()  # its session
                            files += await file_archive.write(database, attached)
                        else:
                            skipped[str(kind)] += 1
                except BadLine as reason:
                    bad += 1
                    clear = "\r\x1b[K" if sys.stderr.isatty() else ""  # the progress bar, which is drawn again below
                    said = wrapped(f"line {number}: {reason}", stream=sys.stderr)
                    print(f"{clear}{said}", file=sys.stderr)
                    if stops:
                        break
                if len(page) == PAGE:
                    await store()
        await store()
    finally:
        bad_lines = f", {bad} bad lines" if bad else ""
        with_files = f" with {files} files" if files else ""
        summary = f"{imported} sessions{with_files} imported, {present} already present{bad_lines}."
        print(styled(summary, BOLD, RED if bad else GREEN, stream=sys.stderr), file=sys.stderr)
        if skipped:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(skipped.items()))
            said = f"Skipped, since an import takes sessions and their files only: {kinds}."
            print(wrapped(said, stream=sys.stderr), file=sys.stderr)
    return bad


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

    async def delete(database: Database) -> dict[str, int]:
        erased = await personal_data.erase(database, owner)
        await record_action(database, "erase.data", owner, **erased)
        return erased

    found = {kind: number for kind, number in with_database(delete).items() if number}
    if not found:
        raise CommandFailed(f"No data of {owner} was found: is that the `sub` of their tokens?")
    print(f"Deleted of {owner}: {', '.join(f'{number} {kind}' for kind, number in found.items())}.")
