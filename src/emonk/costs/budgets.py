"""Budgets: what sessions, users and the agent may spend, and how much of that is left.

What is spent comes from the bill in the store. A call that is under way counts with its estimate, so that turns which
run at once do not spend the same dollar twice; so does one that broke off, whose cost nobody knows.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from emonk.clock import MICROSECONDS
from emonk.errors import BudgetExceeded, InvalidConfig
from emonk.resilience.bounds import above_zero
from emonk.store.usage_protocol import UsageFilter

BudgetName = Literal["usd", "session_usd", "user_day_usd", "agent_month_usd"]

WARN_AT = Decimal("0.8")
"""Of a budget: from here on people are warned."""

_WHOSE = {
    "usd": ("this turn may cost", "", "limits.usd"),
    "session_usd": ("this session may cost", "", "budgets.session_usd"),
    "user_day_usd": ("a user may spend", " in a day", "budgets.user_day_usd"),
    "agent_month_usd": ("this agent may spend", " in a month", "budgets.agent_month_usd"),
}
_CENTS = Decimal("0.01")
_CLOSELY = Decimal("0.000001")


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be spent on calls of models, in USD; None is no limit. Days and months are those of UTC.

    Attributes:
        session_usd: in one session, for as long as there are rows of it.
        user_day_usd: by one user of the agent, in a day.
        agent_month_usd: by the agent, in a month.

    Raises:
        InvalidConfig: a budget that is no number above zero.
    """

    session_usd: Decimal | None = None
    user_day_usd: Decimal | None = None
    agent_month_usd: Decimal | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: object = getattr(self, name)
            if isinstance(value, Decimal):
                if not (value.is_finite() and value > 0):
                    raise InvalidConfig(f"budgets.{name} is {value}", hint="a number above zero")
            elif value is not None:
                msgspec.structs.force_setattr(self, name, Decimal(repr(above_zero(f"budgets.{name}", value))))

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__struct_fields__)


class Period(msgspec.Struct, frozen=True):
    """The time that a budget is for, in UTC microseconds, `until` excluded; None has no end."""

    since: int = 0
    until: int | None = None

    @property
    def resets(self) -> str:
        """When there is a new one, in words."""
        if self.until is None:
            return ""
        return f"{datetime.fromtimestamp(self.until / MICROSECONDS, UTC):%Y-%m-%d %H:%M} UTC"


EVER = Period()


def day_of(now: float) -> Period:
    """The UTC day of an instant, in seconds since 1970."""
    start = int(now // 86_400) * 86_400
    return Period(start * MICROSECONDS, (start + 86_400) * MICROSECONDS)


def month_of(now: float) -> Period:
    """The UTC month of an instant, in seconds since 1970."""
    at = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
    return Period(int(at.timestamp()) * MICROSECONDS, int(after.timestamp()) * MICROSECONDS)


class Key(msgspec.Struct, frozen=True):
    """Which budget it is, whose, and when."""

    name: BudgetName
    whose: str
    period: Period


class Account:
    """What is left of one budget in one period.

    Attributes:
        limit: in USD.
        spent: in USD, by calls that have ended.
        reserved: in USD, by calls that are under way, as estimated.
        read_at: on the clock's `monotonic()`, when the bill was read last; None before that.
    """

    def __init__(self, key: Key, limit: Decimal) -> None:
        self.key = key
        self.limit = limit
        self.spent = Decimal(0)
        self.reserved = Decimal(0)
        self.read_at: float | None = None

    @property
    def used(self) -> Decimal:
        """What is spent or under way."""
        return self.spent + self.reserved

    def check(self, estimate: Decimal) -> None:
        """See that a call may be made.

        Raises:
            BudgetExceeded: it would cost more than is left.
        """
        if self.used + estimate <= self.limit and self.used < self.limit:
            return
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


def wanted(account: Account, agent: str) -> UsageFilter:
    """The rows that an account counts."""
    key = account.key
    return UsageFilter(
        agent=agent,
        session_id=key.whose if key.name == "session_usd" else None,
        user_id=key.whose if key.name == "user_day_usd" else None,
        since=key.period.since or None,
        until=key.period.until,
    )


def keys(budgets: Budgets, session_id: str, user_id: str, now: float) -> Iterator[tuple[Key, Decimal]]:
    """The budgets that a call counts for at an instant, in seconds since 1970, with their limits."""
    if budgets.session_usd is not None:
        yield Key("session_usd", session_id, EVER), budgets.session_usd
    if budgets.user_day_usd is not None:
        yield Key("user_day_usd", user_id, day_of(now)), budgets.user_day_usd
    if budgets.agent_month_usd is not None:
        yield Key("agent_month_usd", "", month_of(now)), budgets.agent_month_usd


def shown(usd: Decimal) -> str:
    """An amount for people: cents, and more places where it is small."""
    if usd == usd.quantize(_CENTS) or usd >= 1:
        return str(usd.quantize(_CENTS))
    return format(usd.quantize(_CLOSELY).normalize(), "f")
