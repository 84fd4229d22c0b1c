"""`budget show` and `budget set`: the daily budget of an owner."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from ..base import CommandFailed, check_owner, open_database, run
from ..command_audit import record_action

app = typer.Typer(help="Budgets of owners.", no_args_is_help=True)

Owner = Annotated[str, typer.Argument(help="The `sub` of the owner's tokens.")]


@app.command()
def show(owner: Owner) -> None:
    """Print an owner's usage of today and their limits."""
    from ...chat.budgets import find_spending
    from ...config import Settings, load

    async def print_spending() -> None:
        settings = load(Settings)
        async with open_database(settings) as database:
            spending = await find_spending(database, settings, owner)
        tokens = "no limit" if spending.tokens_per_day is None else f"{spending.tokens_per_day:,}"
        usd = "no limit" if spending.usd_per_day is None else f"{spending.usd_per_day:,.2f}"
        print(f"Tokens today  {spending.tokens:,} of {tokens}")
        print(f"US$ today     {spending.usd:,.4f} of {usd}")

    run(print_spending())


@app.command("set")
def set_(
    owner: Owner,
    tokens: Annotated[int | None, typer.Option(min=0, max=10**15, help="Tokens per day; 0 for no limit.")] = None,
    usd: Annotated[float | None, typer.Option(min=0, help="US dollars per day; 0 for no limit.")] = None,
) -> None:
    """Set an owner's own budgets. An omitted one returns to that of the settings."""
    from ...chat.budgets import set_budget

    check_owner(owner)
    if usd is not None and not math.isfinite(usd):
        raise CommandFailed("--usd needs a finite number, or 0 for no limit.")

    async def change() -> None:
        async with open_database() as database, database.transaction() as transaction:
            await set_budget(transaction, owner, tokens, usd)
            await record_action(transaction, "change.budget", owner, tokens_per_day=tokens, usd_per_day=usd)

    run(change())
    show(owner)
