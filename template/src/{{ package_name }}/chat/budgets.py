"""Daily budgets of owners (rule 13.1): tokens, and US dollars where the price of the model is known.

The statement that commits a model response adds its usage, and the budget is checked before the next request. So usage
exceeds a budget by the responses in flight at most. Failed and cancelled responses count; deleting a session gives
nothing back. Days are in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ..observability.metrics import BUDGET_REFUSALS
from .models import Spending, TurnError, TurnErrorType, TurnFailed

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.interfaces import Executor


NO_LIMITS: Final[Mapping[str, float]] = {"day_tokens": 0, "day_usd": 0}
# The usage of today of `owner` and their limits, by default `day_tokens` and `day_usd`.
SPENDING: Final = """
    SELECT coalesce(used.tokens, 0) AS tokens, coalesce(used.cost_usd, 0)::float8 AS usd,
           nullif(coalesce(own.tokens_per_day, %(day_tokens)s), 0) AS tokens_per_day,
           nullif(coalesce(own.usd_per_day::float8, %(day_usd)s), 0) AS usd_per_day
    FROM (SELECT %(owner)s::text AS owner) AS asked
    LEFT JOIN owner_usage used ON used.owner = asked.owner AND used.day = (now() AT TIME ZONE 'UTC')::date
    LEFT JOIN owner_budgets own ON own.owner = asked.owner
"""


class BudgetSpent(TurnFailed):
    """The owner has spent a budget of today, `day_tokens` or `day_cost`."""

    def __init__(self, budget: str) -> None:
        now = datetime.now(UTC)
        tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        resets = tomorrow.isoformat()
        unit = "tokens" if budget == "day_tokens" else "costs"
        detail = f"Today's budget of {unit} is spent. The next day begins at {resets}."
        super().__init__(TurnError(TurnErrorType.BUDGET_SPENT, detail, (tomorrow - now).total_seconds(), resets))
        BUDGET_REFUSALS.labels(budget).inc()


def default_limits(settings: Settings) -> Mapping[str, float]:
    """Return the daily limits of owners without their own, as parameters of SPENDING."""
    return {"day_tokens": settings.BUDGET_TOKENS_PER_DAY, "day_usd": settings.BUDGET_USD_PER_DAY}


async def find_spending(executor: Executor, settings: Settings, owner: str) -> Spending:
    """Return the owner's usage of today and their limits."""
    found = await executor.fetch_one(Spending, SPENDING, {"owner": owner, **default_limits(settings)})
    assert found is not None  # noqa: S101 - the query always returns a row
    return found


def check(spending: Spending) -> None:
    """Raise `BudgetSpent` at a limit."""
    if spending.tokens_per_day is not None and spending.tokens >= spending.tokens_per_day:
        raise BudgetSpent("day_tokens")
    if spending.usd_per_day is not None and spending.usd >= spending.usd_per_day:
        raise BudgetSpent("day_cost")


async def set_budget(executor: Executor, owner: str, tokens_per_day: int | None, usd_per_day: float | None) -> None:
    """Set the owner's limits; 0 is no limit, `None` the limit of the settings."""
    await executor.execute(
        """
        INSERT INTO owner_budgets (owner, tokens_per_day, usd_per_day) VALUES (%(owner)s, %(tokens)s, %(usd)s)
        ON CONFLICT (owner) DO UPDATE SET
            tokens_per_day = excluded.tokens_per_day, usd_per_day = excluded.usd_per_day, updated_at = now()
        """,
        {"owner": owner, "tokens": tokens_per_day, "usd": usd_per_day},
    )
