"""Budgets: what sessions, users and the agent may spend.

What is spent comes from the bill in the store. A call that is under way counts with its estimate, so that turns which
run at once do not spend the same dollar twice; so does one that broke off, whose cost nobody knows.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from emonk.costs.account import Key
from emonk.costs.period import EVER, day_at, month_at
from emonk.errors import InvalidConfig
from emonk.resilience.bounds import above_zero


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


def keys(budgets: Budgets, session_id: str, user_id: str, now: float) -> Iterator[tuple[Key, Decimal]]:
    """The budgets that a call counts for at an instant, in seconds since 1970, with their limits."""
    if budgets.session_usd is not None:
        yield Key("session_usd", session_id, EVER), budgets.session_usd
    if budgets.user_day_usd is not None:
        yield Key("user_day_usd", user_id, day_at(now)), budgets.user_day_usd
    if budgets.agent_month_usd is not None:
        yield Key("agent_month_usd", "", month_at(now)), budgets.agent_month_usd
