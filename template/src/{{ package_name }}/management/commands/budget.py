"""`budget show`, `budget set`: what an owner may use in a day."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...chat.budgets import Spending

app = typer.Typer(help="Budgets of owners.", no_args_is_help=True)

Owner = Annotated[str, typer.Argument(help="Whose budget: the `sub` of their tokens.")]


@app.command()
def show(owner: Owner) -> None:
    """Print what an owner has used today, and may use."""
    from ..base import run

    _tell(run(_spending(owner)))


@app.command("set")
def set_(
    owner: Owner,
    tokens: Annotated[int | None, typer.Option(min=0, max=10**15, help="Tokens a day; 0 for no limit.")] = None,
    usd: Annotated[float | None, typer.Option(min=0, help="US dollars a day; 0 for no limit.")] = None,
) -> None:
    """Give an owner budgets of their own; one that is not given is that of the settings again."""
    from ...chat.budgets import set_budget
    from ..base import CommandFailed, check_owner, open_database, run
    from ..command_audit import record_act

    check_owner(owner)
    if usd is not None and not math.isfinite(usd):
        raise CommandFailed("--usd is an amount of money: give a number, or 0 for no limit.")

    async def change() -> None:
        async with open_database() as database, database.transaction() as transaction:
            await set_budget(transaction, owner, tokens, usd)
            await record_act(transaction, "change.budget", owner, tokens_per_day=tokens, usd_per_day=usd)

    run(change())
    _tell(run(_spending(owner)))


async def _spending(owner: str) -> Spending:
    from ...chat.budgets import Budgets
    from ...config import Settings, load
    from ..base import open_database

    settings = load(Settings)
    async with open_database(settings) as database:
        return await Budgets(settings, database).spending(owner)


def _tell(spending: Spending) -> None:
    most_tokens = "no limit" if spending.tokens_per_day is None else f"{spending.tokens_per_day:,}"
    most_usd = "no limit" if spending.usd_per_day is None else f"{spending.usd_per_day:,.2f}"
    print(f"Tokens today  {spending.tokens:,} of {most_tokens}")
    print(f"US$ today     {spending.usd:,.4f} of {most_usd}")
