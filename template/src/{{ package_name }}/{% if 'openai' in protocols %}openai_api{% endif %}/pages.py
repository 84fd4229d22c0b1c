"""Pages of items, as OpenAI's lists have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Query

from . import objects
from .errors import invalid


@dataclass(frozen=True, slots=True)
class Page:
    """What a client wants of a list: `limit` items after the item `after`."""

    limit: int
    ascending: bool
    after: str | None

    def of(self, items: Sequence[objects.Item]) -> objects.ItemList:
        """The page of a whole list, which is in ascending order."""
        ordered = list(items) if self.ascending else list(reversed(items))
        if self.after is not None:
            ids = [item.id for item in ordered]
            if self.after not in ids:
                raise no_item(self.after)
            ordered = ordered[ids.index(self.after) + 1 :]
        return self.cut(ordered)

    def cut(self, following: Sequence[objects.Item]) -> objects.ItemList:
        """The page, given the items that follow `after` in the page's order."""
        page = list(following[: self.limit])
        return objects.ItemList(
            data=page,
            first_id=page[0].id if page else None,
            last_id=page[-1].id if page else None,
            has_more=len(following) > self.limit,
        )


def no_item(id_: str) -> Exception:
    return invalid("after", f"Item with id '{id_[:100]}' not found.")


async def _page(
    limit: Annotated[int, Query(ge=1, le=100, description="The maximum number of items.")] = 20,
    order: Annotated[Literal["asc", "desc"], Query(description="The oldest or the newest first.")] = "desc",
    after: Annotated[str | None, Query(max_length=200, description="`last_id` of the previous page.")] = None,
) -> Page:
    return Page(limit, order == "asc", after)


ThePage = Annotated[Page, Depends(_page)]
