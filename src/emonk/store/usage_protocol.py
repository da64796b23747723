"""The bill: a row for every call of a provider, and sums over them."""

from asyncio import Future
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from emonk.records import Usage, UsageRow

UsageGroup = Literal[
    "day", "agent", "session_id", "user_id", "message_id", "purpose", "provider", "model", "role", "lead"
]
"""`day` is the UTC date on which the call started, as YYYY-MM-DD."""


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows; None is any. `since` (included) and `until` (excluded) are UTC microseconds of the start."""

    agent: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    message_id: str | None = None
    purpose: str | None = None
    model: str | None = None
    since: int | None = None
    until: int | None = None


class UsageTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the rows that have the same `group`, which holds a value for each word of `by`.

    `unpriced` counts the calls whose cost is not known; `cost_usd` sums the others. `unfinished` counts those that
    were started and never completed: they are under way, or a crash cut them off and the provider may bill them.
    `estimated_usd` sums what calls of unknown cost were expected to cost at most, where that was asked.
    """

    group: tuple[str, ...]
    calls: int
    failed: int
    unfinished: int
    unpriced: int
    usage: Usage
    cost_usd: Decimal
    estimated_usd: Decimal = Decimal(0)


class UsageStore(Protocol):
    """Usage rows. Costs keep 12 decimal places of a dollar."""

    def bill(self, rows: Sequence[UsageRow]) -> "Future[None]":
        """Write the rows, each in place of an earlier one with its `row_id`.

        The write is under way when this returns, and goes on whether or not somebody awaits the future.
        A `started` row never takes the place of one that is `completed` or `failed`. Rows of one id say the same of
        who called whom, when and why: they differ only in what came of the call.
        """
        ...

    async def usage_rows(self, wanted: UsageFilter, *, limit: int = 100, before: str | None = None) -> list[UsageRow]:
        """Rows, the last started first; `before`, the `row_id` of the last one seen, pages on."""
        ...

    async def usage_totals(self, wanted: UsageFilter, *, by: Sequence[UsageGroup] = ()) -> list[UsageTotal]:
        """Sums by the given words, ordered by group; without words one total, of no rows if there are none."""
        ...
