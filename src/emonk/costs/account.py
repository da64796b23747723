"""What is left of one budget in one period, and how that follows from the bill.

The bill is read once as a whole. From then on only its last minutes are read again: what lies before them has ended,
and its sum is kept. So a turn pays for the calls around it, not for those of the whole month.
"""

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from emonk.clock import MICROSECONDS
from emonk.costs.period import Period
from emonk.errors import BudgetExceeded
from emonk.store.usage_protocol import UsageFilter, UsageStore, UsageTotal

BudgetName = Literal["usd", "session_usd", "user_day_usd", "agent_month_usd"]

WARN_AT = Decimal("0.8")
"""Of a budget: from here on people are warned."""

RECENT = 600
"""Seconds: rows that started in them are read again. Clocks of processes may differ by that, too."""

LONGEST_CALL = 3600
"""Seconds after which a call that has no end in the bill will have none: its process crashed."""

RECOUNT = 86_400
"""Seconds after which the whole bill is read again: rows may have been written with an earlier time."""

EASED_AFTER = 4
"""Refusals after which half of a guess counts: where no call is made, no answer can correct it."""

_MOST_HALVINGS = 64

_WHOSE = {
    "usd": ("this turn may cost", "", "limits.usd"),
    "session_usd": ("this session may cost", "", "budgets.session_usd"),
    "user_day_usd": ("a user may spend", " in a day", "budgets.user_day_usd"),
    "agent_month_usd": ("this agent may spend", " in a month", "budgets.agent_month_usd"),
}
_CENTS = Decimal("0.01")
_CLOSELY = Decimal("0.000001")


class Key(msgspec.Struct, frozen=True):
    """Which budget it is, whose, and when."""

    name: BudgetName
    whose: str
    period: Period


class Guess(NamedTuple):
    """The part of an estimate that rests on how long answers were so far, in USD.

    Attributes:
        usd: for an answer as long as those.
        at_first: for one as is expected while nothing is known; more does not count where nothing is spent.
        least: for one as short as the shortest of late; it counts however often it refuses.
    """

    usd: Decimal
    at_first: Decimal
    least: Decimal


CERTAIN = Guess(Decimal(0), Decimal(0), Decimal(0))


class Account:
    """What is left of one budget in one period.

    Attributes:
        limit: in USD.
        spent: in USD, by calls that have ended.
        reserved: in USD, by calls that are under way, as estimated.
        refused: how often a call was refused.
        read_at: on the clock's `monotonic()`, when the bill was read last; None before that.
    """

    def __init__(self, key: Key, limit: Decimal) -> None:
        self.key = key
        self.limit = limit
        self.spent = Decimal(0)
        self.reserved = Decimal(0)
        self.refused = 0
        self.read_at: float | None = None
        self._begun = Decimal(0)
        self._moved = Decimal(0)
        self._moved_before = Decimal(0)
        self._counted: _Counted | None = None

    @property
    def used(self) -> Decimal:
        """What is spent or under way."""
        return self.spent + self.reserved

    def reserve(self, estimate: Decimal) -> None:
        """A call leaves."""
        self.reserved += estimate
        self._begun += estimate
        self._moved += estimate

    def settle(self, estimate: Decimal, cost: Decimal) -> None:
        """A call has ended."""
        self.reserved -= estimate
        self.spent += cost
        self._moved += cost

    def check(self, estimate: Decimal, guess: Guess = CERTAIN) -> None:
        """See that a call may be made.

        A guess that was too high does not refuse for ever: after some refusals it counts half, down to what the
        shortest answers cost. While nothing is spent it counts for no more than where nothing is known.

        Raises:
            BudgetExceeded: it would cost more than is left.
        """
        sure = estimate - guess.usd
        guessed = guess.usd if self.spent > 0 else min(guess.usd, guess.at_first)
        eased = guessed / (1 << min(self.refused // EASED_AFTER, _MOST_HALVINGS))
        estimate = sure + max(eased, min(guessed, guess.least))
        if self.used + estimate <= self.limit and self.used < self.limit:
            return
        self.refused += 1
        who, time, setting = _WHOSE[self.key.name]
        under_way = f" and {shown(self.reserved)} USD under way" if self.reserved else ""
        reset = self.key.period.resets
        raise BudgetExceeded(
            f"{who} {shown(self.limit)} USD{time} ({setting}): {shown(self.spent)} USD are spent{under_way}, and"
            f" the next call may cost {shown(estimate)} USD",
            hint=f"it begins anew at {reset}" if reset else "",
            code=self.key.name,
        )

    @property
    def is_low(self) -> bool:
        """Whether it is time to warn."""
        return self.used >= WARN_AT * self.limit

    def told(self) -> str:
        """How much is used, in words."""
        who, time, setting = _WHOSE[self.key.name]
        reset = self.key.period.resets
        end = f", until {reset}" if reset else ""
        return f"{shown(self.used)} of the {shown(self.limit)} USD are used that {who}{time} ({setting}){end}"

    async def read(self, store: UsageStore, agent: str, now: float, monotonic: float) -> None:
        """See in the bill what was spent.

        Calls of this process that were under way meanwhile may or may not be in the bill yet, so they are counted
        once. So may those that began or ended since the reading before: what is known of them here is not taken back.
        A later reading is right about them.

        Raises:
            InfraError, ConfigError: the store cannot be read.
        """
        under_way, begun, moved = self.reserved, self._begun, self._moved
        seen = await self._sum(store, agent, now) - under_way - (self._begun - begun)
        uncertain = self._moved - self._moved_before
        self.spent = max(seen, min(self.spent, seen + uncertain))
        self._moved_before = moved
        self.read_at = monotonic

    async def _sum(self, store: UsageStore, agent: str, now: float) -> Decimal:
        rows = wanted(self, agent)
        if self.read_at is None or (self._counted is not None and now - self._counted.at >= RECOUNT):
            self._counted = None
            return _worth(await _total(store, rows))
        if self._counted is None:
            self._counted = _Counted(now, rows.since)
        counted = self._counted
        for back in (RECENT, LONGEST_CALL):
            edge = int((now - back) * MICROSECONDS)
            if counted.edge is not None and edge - counted.edge < back * MICROSECONDS:
                continue
            older = await _total(store, msgspec.structs.replace(rows, since=counted.edge, until=edge))
            if back == LONGEST_CALL or not older.unfinished:
                counted.edge, counted.usd = edge, counted.usd + _worth(older)
                break
        return counted.usd + _worth(await _total(store, msgspec.structs.replace(rows, since=counted.edge)))


class _Counted:
    """The rows that are not read again: those from before `edge`, in UTC microseconds, and what they come to."""

    def __init__(self, at: float, edge: int | None) -> None:
        self.at = at
        self.edge = edge
        self.usd = Decimal(0)


async def _total(store: UsageStore, rows: UsageFilter) -> UsageTotal:
    (total,) = await store.usage_totals(rows)
    return total


def _worth(total: UsageTotal) -> Decimal:
    return total.cost_usd + total.estimated_usd


def wanted(account: Account, agent: str) -> UsageFilter:
    """The rows that an account counts."""
    key = account.key
    return UsageFilter(
        agent=agent,
        session_id=key.whose if key.name == "session_usd" else None,
        user_id=key.whose if key.name == "user_day_usd" else None,
        since=key.period.since,
        until=key.period.until,
    )


def shown(usd: Decimal) -> str:
    """An amount for people: cents, and more places where it is small."""
    if usd == usd.quantize(_CENTS) or usd >= 1:
        return str(usd.quantize(_CENTS))
    return format(usd.quantize(_CLOSELY).normalize(), "f")
