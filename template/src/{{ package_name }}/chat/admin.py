"""The `budget` command over HTTP, for credentials with the scope `admin`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from ..problems import responses
from ..security.audit import Entry, record
from ..security.authentication import AdminPrincipal
from .budgets import find_spending, set_budget
from .models import Spending

router = APIRouter(prefix="/admin", tags=["admin"], responses=responses(401, 403, 422, 429, 503))

OwnerPath = Annotated[
    str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="The `sub` of the owner's tokens.")
]


class BudgetIn(BaseModel):
    """0 is no limit, null the limit of the settings."""

    model_config = ConfigDict(extra="forbid")

    tokens_per_day: int | None = Field(None, ge=0, le=2**53, description="Tokens, in and out, of one day (UTC).")
    usd_per_day: float | None = Field(None, ge=0, le=1e9, description="Costs of one day (UTC), in US dollars.")


@router.get("/budgets/{owner}", response_description="The usage of today and the budgets.")
async def get_budget(_: AdminPrincipal, request: Request, owner: OwnerPath) -> Spending:
    """Return what an owner has used today, and their budgets."""
    state = request.app.state
    return await find_spending(state.services.database, state.settings, owner)


@router.put(
    "/budgets/{owner}",
    response_description="The usage of today and the new budgets.",
    responses=responses(400, 413, 415),
)
async def put_budget(principal: AdminPrincipal, request: Request, owner: OwnerPath, budget: BudgetIn) -> Spending:
    """Set the budgets of an owner."""
    state = request.app.state
    async with state.services.database.transaction() as transaction:
        await set_budget(transaction, owner, budget.tokens_per_day, budget.usd_per_day)
        await record(transaction, Entry(principal.actor, "change.budget", owner, detail=budget.model_dump()))
    return await find_spending(state.services.database, state.settings, owner)
