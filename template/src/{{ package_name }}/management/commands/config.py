"""`config show`, `config check` and `config docs` (rule 3.1)."""

from __future__ import annotations

import typer

app = typer.Typer(help="Show, check and document the settings.", no_args_is_help=True)


@app.command()
def show() -> None:
    """Show every setting: its value (secrets masked) and where that comes from; then what is wrong, if anything."""
    from ...config import Settings, load
    from ..settings_reference import effective

    rows = effective()
    names = max(len(row.name) for row in rows)
    values = min(max(len(row.value) for row in rows), 60)
    print(f"{'SETTING':<{names}}  {'VALUE':<{values}}  SOURCE")
    for row in rows:
        print(f"{row.name:<{names}}  {row.value:<{values}}  {row.source}")
    load(Settings)


@app.command()
def check() -> None:
    """Check the settings as a starting process does: exit code 2 and a line for each problem, or 0."""
    from ...config import Settings, load

    settings = load(Settings)
    print(f"The {len(Settings.model_fields)} settings are in order for {settings.ENVIRONMENT}.")


@app.command()
def docs() -> None:
    """Print the reference of the settings in Markdown, as docs/settings.md holds it."""
    from ..settings_reference import reference

    print(reference(), end="")
