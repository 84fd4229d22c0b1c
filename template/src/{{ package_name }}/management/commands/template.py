"""`template status`: whether the template that this project came from has something new."""

from __future__ import annotations

import typer

app = typer.Typer(help="Compare this project with the template it came from.", no_args_is_help=True)


@app.command()
def status() -> None:
    """Show the version in use, the newest, and which rules changed in between."""
    from pathlib import Path

    from ..template_status import status as compare

    found = compare(Path.cwd())
    print(f"Template  {found.source}")
    print(f"In use    {found.in_use}")
    print(f"Newest    {found.newest or 'no release yet'}")
    for version, entries in found.changes:
        if entries:
            print(f"\nRules changed in {version}:")
            print(*(f"  - {entry}" for entry in entries), sep="\n")
    print("\nUp to date." if found.is_current else "\nRun `uvx copier update` in a clean working tree to take it up.")
