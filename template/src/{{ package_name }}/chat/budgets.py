"""What an owner may use in a day, and has used (rule 13.1): tokens, and dollars where the price of the model is known.

Use is recorded in the statement that commits a response of the model, or fails the turn where the response is refused,
and looked at before the next is asked for. So a budget is exceeded by no more than the responses under way; deleting a
session gives nothing back. What a response had used when its turn was cancelled counts too. Days are of UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..observability.metrics import BUDGET_REFUSALS

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.interfaces import Executor


@dataclass(frozen=True, slots=True)
class Spending:
    """What was used today, and the most that may be; `None` is no limit."""

    tokens: int
    usd: float
    tokens_per_day: int | None
    usd_per_day: float | None

    @property
    def spent(self) -> str | None:
        """The budget that is spent, if one is."""
        if self.tokens_per_day is not None and self.tokens >= self.tokens_per_day:
            return "day_tokens"
        if self.usd_per_day is not None and self.usd >= self.usd_per_day:
            return "day_cost"
        return None


class BudgetSpent(Exception):
    """The owner has used up the day's `budget`. The message may be shown."""

    def __init__(self, budget: str) -> None:
        what = "tokens" if budget == "day_tokens" else "costs"
        self.resets = next_day().isoformat()
        super().__init__(f"Today's budget of {what} is spent. The next day begins at {self.resets}.")
        self.retry_after = (next_day() - datetime.now(UTC)).total_seconds()
        BUDGET_REFUSALS.labels(budget).inc()


def next_day() -> datetime:
    """When budgets begin anew."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


class Budgets:
    def __init__(self, settings: Settings, executor: Executor) -> None:
        self._executor = executor
        self._tokens = settings.BUDGET_TOKENS_PER_DAY
        self._usd = settings.BUDGET_USD_PER_DAY

    async def spending(self, owner: str) -> Spending:
        """One statement."""
        found = await self._executor.fetch_one(
            Spending,
            """
            SELECT coalesce(used.tokens, 0) AS tokens, coalesce(used.cost_usd, 0)::float8 AS usd,
                   nullif(coalesce(own.tokens_per_day, %(tokens)s), 0) AS tokens_per_day,
                   nullif(coalesce(own.usd_per_day::float8, %(usd)s), 0) AS usd_per_day
            FROM (SELECT %(owner)s::text AS owner) AS asked
            LEFT JOIN owner_usage used ON used.owner = asked.owner AND used.day = (now() AT TIME ZONE 'UTC')::date
            LEFT JOIN owner_budgets own ON own.owner = asked.owner
            """,
            {"owner": owner, "tokens": self._tokens, "usd": self._usd},
        )
        assert found is not None  # noqa: S101 - it makes its own row
        return found

    async def check(self, owner: str) -> Spending:
        """What the owner may still use. Raises `BudgetSpent`."""
        spending = await self.spending(owner)
        if spending.spent is not None:
            raise BudgetSpent(spending.spent)
        return spending


async def set_budget(executor: Executor, owner: str, tokens_per_day: int | None, usd_per_day: float | None) -> None:
    """Give an owner budgets of their own: 0 for no limit, `None` for the one of the settings."""
    await executor.execute(
        """
        INSERT INTO owner_budgets (owner, tokens_per_day, usd_per_day) VALUES (%(owner)s, %(tokens)s, %(usd)s)
        ON CONFLICT (owner) DO UPDATE SET
            tokens_per_day = excluded.tokens_per_day, usd_per_day = excluded.usd_per_day, updated_at = now()
        """,
        {"owner": owner, "tokens": tokens_per_day, "usd": usd_per_day},
    )
