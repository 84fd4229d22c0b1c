"""`config show` and `config check` (rule 3.1)."""

from __future__ import annotations

import typer

app = typer.Typer(help="Show and check the settings.", no_args_is_help=True)


@app.command()
def show() -> None:
    """Show every setting, the source of its value, and the value (secrets masked); then what is wrong, if anything."""
    from ...config import Settings, load
    from ..settings_view import effective

    rows = effective()
    names = max(len(row.name) for row in rows)
    sources = max(len(row.source) for row in rows)
    print(f"{'SETTING':<{names}}  {'SOURCE':<{sources}}  VALUE")  # the value last: it alone may be long
    for row in rows:
        print(f"{row.name:<{names}}  {row.source:<{sources}}  {row.value}")
    load(Settings)


@app.command()
def check() -> None:
    """Check the settings as a starting process does: exit code 2 and a line for each problem, or 0."""
    from ...config import Settings, load

    settings = load(Settings)
    print(f"The {len(Settings.model_fields)} settings are in order for {settings.ENVIRONMENT}.")
