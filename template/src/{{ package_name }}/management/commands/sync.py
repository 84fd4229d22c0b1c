"""`sync`: the files that are made from the code (rule 14.1)."""

from __future__ import annotations

from typing import Annotated

import typer


def sync(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 when a file is stale.")] = False,
) -> None:
    """Write the files that are made from the code: openapi.json, docs/settings.md and the like."""
    from pathlib import Path

    from ..base import CommandFailed
    from ..generated import stale

    root = Path.cwd()
    if not (root / "pyproject.toml").is_file():
        raise CommandFailed(f"There is no pyproject.toml in {root}: run this from the project's root.")
    found = stale(root)
    for path, text in found.items():
        print(path.relative_to(root), "is stale" if check else "written" if text is not None else "deleted")
        if check:
            continue
        if text is None:
            path.unlink()
        else:
            path.write_text(text, "utf-8")
    if not found:
        print("Nothing to do: every file is up to date.")
    elif check:
        raise typer.Exit(1)
