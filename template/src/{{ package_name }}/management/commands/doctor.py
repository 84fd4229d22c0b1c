"""`doctor`: checks this installation and says what to do about each problem."""

from __future__ import annotations

from typing import Annotated

import typer

SIGNS = {True: ("ok", typer.colors.GREEN), False: ("fail", typer.colors.RED), None: ("skip", typer.colors.YELLOW)}
WIDTH = 16


def doctor(
    call_model: Annotated[
        bool, typer.Option("--call-model", help="Also send a prompt to the language model; this may cost money.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Check settings, database, migrations, queue, cache and model; exit code 1 if there is a problem."""
    import json
    from dataclasses import asdict

    from ..diagnostics import run_checks

    findings = run_checks(call_model=call_model)
    failures = sum(finding.ok is False for finding in findings)
    if as_json:
        print(json.dumps({"ok": not failures, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            sign, color = SIGNS[finding.ok]
            typer.echo(f"{typer.style(f'{sign:<4}', fg=color)}  {finding.check:<{WIDTH}}  {finding.detail}")
            if finding.remedy:
                typer.echo(f"{'':<4}  {'':<{WIDTH}}  → {finding.remedy}")
        typer.echo(f"\n{failures or 'No'} {'problem' if failures == 1 else 'problems'} found.")
    raise typer.Exit(1 if failures else 0)
