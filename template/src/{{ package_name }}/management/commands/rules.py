"""`rules`: whether the project keeps its rules (rules/), by the checks of tests/rules."""

from __future__ import annotations

from typing import Annotated

import typer


def rules(
    rule: Annotated[list[str] | None, typer.Option(help="Check this one only: 9 or 9.1; may be repeated.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Leave out the checks that start servers and processes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="Print a SARIF 2.1.0 log, for code scanning.")] = False,
) -> None:
    """Check that the project keeps its rules; exit code 1 when one is broken."""
    import subprocess
    import sys
    from importlib.util import find_spec
    from pathlib import Path

    from ..base import CommandFailed

    if not Path("tests/rules").is_dir():
        raise CommandFailed("There are no rules here: run this in the project's root.")
    if not find_spec("pytest"):
        raise CommandFailed("The checks need the development dependencies: run `uv sync` first.")
    switches = {"--fast": fast, "--json": as_json, "--sarif": as_sarif}
    options = [*(f"--rule={name}" for name in rule or ()), *(name for name, given in switches.items() if given)]
    raise typer.Exit(subprocess.call([sys.executable, "-m", "tests.support.rules", *options]))
