"""What the ledger's calls would have cost if the lead had made them all, on the same tokens."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal

import msgspec

from emonk.costs.book import PriceBook
from emonk.costs.period import day_of
from emonk.errors import UnknownPrice
from emonk.records import UsageRow
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageStore, UsageTotal

_PAGE = 1000
_WORDS: tuple[UsageGroup, ...] = ("day", "provider", "model", "lead")


class Savings(msgspec.Struct, frozen=True):
    """What it came to that not every call was the lead's.

    Attributes:
        calls: those that are compared: their cost is known, and so are their lead and its price on that day.
        cost_usd: what they cost.
        lead_usd: what they would have cost by the price of the lead, on the same tokens.
        unknown: calls of which that cannot be told.
    """

    calls: int = 0
    cost_usd: Decimal = Decimal(0)
    lead_usd: Decimal = Decimal(0)
    unknown: int = 0

    @property
    def saved_usd(self) -> Decimal:
        """Negative where the others were dearer."""
        return self.lead_usd - self.cost_usd

    @property
    def share(self) -> float:
        """Of what the lead would have cost; 0 where that is nothing."""
        return float(self.saved_usd / self.lead_usd) if self.lead_usd else 0.0

    def __add__(self, other: "Savings") -> "Savings":
        return Savings(
            self.calls + other.calls,
            self.cost_usd + other.cost_usd,
            self.lead_usd + other.lead_usd,
            self.unknown + other.unknown,
        )


async def savings(store: UsageStore, wanted: UsageFilter, prices: PriceBook) -> Savings:
    """Compare all calls of agents that are wanted.

    Sums are enough where a call was the lead's own, or the lead has one price for every length; else each row is read.
    """
    whole = Savings()
    apart: set[tuple[str, ...]] = set()
    for total in await store.usage_totals(wanted, by=_WORDS):
        compared = _of_total(total, prices)
        if compared is None:
            apart.add(total.group)
        else:
            whole += compared
    for model in sorted({group[2] for group in apart}):
        async for row in _rows(store, msgspec.structs.replace(wanted, model=model)):
            if (str(day_of(row.started_at)), row.provider, row.model, row.lead) in apart:
                whole += _of_row(row, prices)
    return whole


def _of_total(total: UsageTotal, prices: PriceBook) -> Savings | None:
    """The comparison of a day's calls of one model; None where it takes their rows."""
    day, provider, model, lead = total.group
    if not lead:
        return Savings()
    if total.unpriced:
        return None
    if lead == f"{provider}:{model}":
        return Savings(total.calls, total.cost_usd, total.cost_usd)
    if not prices.is_flat(lead, date.fromisoformat(day)):
        return None
    try:
        cost = prices.cost(lead, total.usage, at=date.fromisoformat(day))
    except UnknownPrice:
        return Savings(unknown=total.calls)
    return Savings(total.calls, total.cost_usd, cost.total_usd)


def _of_row(row: UsageRow, prices: PriceBook) -> Savings:
    if row.cost_usd is None:
        return Savings(unknown=1)
    if row.lead == f"{row.provider}:{row.model}":
        return Savings(1, row.cost_usd, row.cost_usd)
    try:
        cost = prices.cost(row.lead, row.usage, at=day_of(row.started_at))
    except UnknownPrice:
        return Savings(unknown=1)
    return Savings(1, row.cost_usd, cost.total_usd)


async def _rows(store: UsageStore, wanted: UsageFilter) -> AsyncIterator[UsageRow]:
    before = None
    while page := await store.usage_rows(wanted, limit=_PAGE, before=before):
        for row in page:
            yield row
        before = page[-1].row_id
