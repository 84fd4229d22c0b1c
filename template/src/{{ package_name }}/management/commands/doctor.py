"""`doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..diagnostics import Finding

SIGNS = {True: ("ok", typer.colors.GREEN), False: ("fail", typer.colors.RED), None: ("skip", typer.colors.YELLOW)}
WIDTH = 16


def doctor(
    call_model: Annotated[
        bool, typer.Option("--call-model", help="Ask the language model something too; that may cost money.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Examine settings, database, migrations, queue, cache and model; exit code 1 when anything is wrong."""
    import json
    from dataclasses import asdict

    from ..diagnostics import examine

    findings = examine(call_model=call_model)
    failures = sum(finding.ok is False for finding in findings)
    if as_json:
        print(json.dumps({"ok": not failures, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            _tell(finding)
        typer.echo(f"\n{failures or 'No'} {'problem' if failures == 1 else 'problems'} found.")
    raise typer.Exit(1 if failures else 0)


def _tell(finding: Finding) -> None:
    sign, colour = SIGNS[finding.ok]
    typer.echo(f"{typer.style(f'{sign:<4}', fg=colour)}  {finding.check:<{WIDTH}}  {finding.detail}")
    if finding.remedy:
        typer.echo(f"{'':<4}  {'':<{WIDTH}}  → {finding.remedy}")
