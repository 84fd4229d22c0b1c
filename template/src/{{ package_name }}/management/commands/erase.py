"""`erase`: a person's data, all of it (rule 12.1)."""

from __future__ import annotations

from typing import Annotated

import typer


def erase(
    owner: Annotated[str, typer.Argument(help="Whose data: the `sub` of their tokens.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all that is kept of an owner, and their keys; what the audit log says of them goes after its term.

    Who has a token may begin anew: take back their access first.
    """
    from ..base import CommandFailed, check_owner, open_database, run
    from ..command_audit import record_act
    from ..personal_data import NotErasable
    from ..personal_data import erase as erase_all

    check_owner(owner)
    if not yes:
        typer.confirm(f"This deletes all that is kept of {owner}. Go on?", abort=True, err=True)

    async def act() -> dict[str, int]:
        async with open_database() as database:
            try:
                erased = await erase_all(database, owner)
            except NotErasable as kinds:
                raise CommandFailed(
                    f"Nothing was deleted: agent/exports.py can read {kinds} of an owner, and not delete it. Give it a "
                    "function under @registry.erasure(...)."
                ) from None
            await record_act(database, "erase.data", owner, **erased)
            return erased

    found = {kind: number for kind, number in run(act()).items() if number}
    if not found:
        raise CommandFailed(f"Nothing is kept of {owner}: is that the `sub` of their tokens?")
    print(f"Deleted of {owner}: {', '.join(f'{number} {kind}' for kind, number in found.items())}.")
