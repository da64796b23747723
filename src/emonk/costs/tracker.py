"""Who spent what: sums over the ledger of a store, and rows for calls that no agent made."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Literal, Self, cast, get_args

import msgspec

from emonk.clock import MICROSECONDS, SYSTEM_CLOCK, Clock
from emonk.costs.book import DEFAULT, PriceBook
from emonk.costs.period import period
from emonk.costs.savings import Savings, savings
from emonk.errors import InvalidArguments, UnknownPrice
from emonk.ids import uuid7
from emonk.observe.trace import get_trace_id
from emonk.records import Usage, UsageRow
from emonk.store.connect import connect, default_url
from emonk.store.protocol import Store
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal

By = Literal["model", "agent", "day", "purpose", "user", "session", "provider", "role", "lead"]
"""By what costs are summed. A `model` is told as its model string, a `day` is a UTC date."""

WORDS: tuple[By, ...] = get_args(By)

_GROUPS: dict[str, tuple[UsageGroup, ...]] = {
    "model": ("provider", "model"),
    "user": ("user_id",),
    "session": ("session_id",),
}


class Spent(msgspec.Struct, frozen=True):
    """A sum of costs.

    Attributes:
        group: what its calls have in common, a value for each word that was asked for.
        cost_usd: of the calls whose cost is known.
        calls: all of them.
        failed: those that came to nothing.
        unfinished: those that are under way or were cut off by a crash.
        unpriced: those whose cost is not known; the unfinished are among them.
    """

    group: tuple[str, ...]
    cost_usd: Decimal
    calls: int
    failed: int
    unfinished: int
    unpriced: int
    usage: Usage


class UserCosts(msgspec.Struct, frozen=True, kw_only=True):
    """What a user spent. The sums of each mapping add up to `total`."""

    user_id: str
    total: Spent
    by_model: dict[str, Spent]
    by_agent: dict[str, Spent]
    by_day: dict[str, Spent]
    by_purpose: dict[str, Spent]
    savings: Savings

    @property
    def total_usd(self) -> Decimal:
        return self.total.cost_usd


class CostTracker:
    """The ledger of a store, to read and to add to.

    Args:
        store: a store, which stays open, or the URL of one; the embedded one when None.
        prices: of calls that are logged here, and of leads; those of `genai-prices` when None.
        clock: what tells the time of calls that are logged here.
    """

    def __init__(
        self, store: Store | str | None = None, *, prices: PriceBook | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._given = store
        self._prices = prices or DEFAULT
        self._clock = clock
        self._store: Store | None = None if store is None or isinstance(store, str) else store

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the store, unless it was given open."""
        if self._given is None or isinstance(self._given, str):
            store, self._store = self._store, None
            if store is not None:
                await store.aclose()

    async def get_user_costs(self, user_id: str, start: date | None = None, end: date | None = None) -> UserCosts:
        """What a user spent in all, and by model, agent, day and purpose.

        Args:
            user_id: as sessions name the user.
            start: a day in UTC, or an instant with a time zone; None for the first there is.
            end: the last day, which is included, or an instant, which is not; None for no end.

        Raises:
            InvalidArguments: no user, no date, an instant without a time zone, or an end before the start.
        """
        if not user_id:
            raise InvalidArguments("user_id is empty", hint="totals() sums over all users")
        wanted = _filter(start, end, user_id=user_id)
        store = await self._opened()
        by = {word: await _sums(store, wanted, (word,)) for word in ("model", "agent", "day", "purpose")}
        return UserCosts(
            user_id=user_id,
            total=(await _sums(store, wanted, ()))[0],
            by_model=_mapping(by["model"]),
            by_agent=_mapping(by["agent"]),
            by_day=_mapping(by["day"]),
            by_purpose=_mapping(by["purpose"]),
            savings=await savings(store, wanted, self._prices),
        )

    async def totals(
        self,
        by: By | Sequence[By] = (),
        *,
        user_id: str | None = None,
        agent: str | None = None,
        session_id: str | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> list[Spent]:
        """Sums by the given words, ordered by group; without words one sum of everything.

        Raises:
            InvalidArguments: a word by which nothing is summed, or dates as in `get_user_costs`.
        """
        words = (by,) if isinstance(by, str) else tuple(by)
        unknown = [word for word in words if word not in WORDS]
        if unknown:
            raise InvalidArguments(f"costs are not summed by {unknown[0]!r}", hint=f"write one of {', '.join(WORDS)}")
        wanted = _filter(start, end, user_id=user_id, agent=agent, session_id=session_id)
        return await _sums(await self._opened(), wanted, words)

    async def savings(
        self,
        *,
        user_id: str | None = None,
        agent: str | None = None,
        session_id: str | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> Savings:
        """What it saved that not every call was the lead's, on the same tokens.

        Raises:
            InvalidArguments: dates as in `get_user_costs`.
        """
        wanted = _filter(start, end, user_id=user_id, agent=agent, session_id=session_id)
        return await savings(await self._opened(), wanted, self._prices)

    async def log_usage(
        self,
        model: str,
        usage: Usage,
        *,
        user_id: str,
        session_id: str = "",
        agent: str = "",
        purpose: str = "own",
        lead: str = "",
        answered_by: str = "",
        failed: bool = False,
    ) -> UsageRow:
        """Write a row for a call that no agent of emonk made; it is durable when this returns.

        Args:
            model: the model string, for example `gemini:gemini-2.5-flash`.
            usage: its tokens.
            user_id: who is to be told of it.
            session_id: of whatever it belongs to.
            agent: under which name it is summed.
            purpose: what it was for.
            lead: the model string of what would have answered without routing, for the savings.
            answered_by: the model's name in the answer.
            failed: it came to nothing.

        Returns:
            The row; its `cost_usd` is None where no price is known.

        Raises:
            InvalidArguments: no model string, no user, or tokens that cannot be.
        """
        _check_call(model, usage, user_id)
        provider, _, name = model.partition(":")
        cost, price = self._cost(model, usage, answered_by)
        row = UsageRow(
            row_id=uuid7(),
            agent=agent,
            session_id=session_id,
            user_id=user_id,
            trace_id=get_trace_id() or "",
            purpose=purpose,
            provider=provider,
            model=name,
            state="failed" if failed else "completed",
            started_at=int(self._clock.time() * MICROSECONDS),
            usage=usage,
            cost_usd=cost,
            lead=lead,
            price=price,
        )
        await (await self._opened()).bill([row])
        return row

    def _cost(self, model: str, usage: Usage, answered_by: str) -> tuple[Decimal | None, dict[str, str]]:
        try:
            cost = self._prices.cost(model, usage, model=answered_by)
        except UnknownPrice:
            return None, {}
        return cost.total_usd, cost.rates.as_row()

    async def _opened(self) -> Store:
        if self._store is None:
            url = self._given if isinstance(self._given, str) else default_url()
            self._store = await connect(url, clock=self._clock)
        return self._store


def _filter(
    start: date | None,
    end: date | None,
    *,
    user_id: str | None = None,
    agent: str | None = None,
    session_id: str | None = None,
) -> UsageFilter:
    asked = period(start, end)
    return UsageFilter(agent=agent, session_id=session_id, user_id=user_id, since=asked.since, until=asked.until)


async def _sums(store: Store, wanted: UsageFilter, words: Sequence[str]) -> list[Spent]:
    columns: dict[str, tuple[UsageGroup, ...]] = {
        word: _GROUPS.get(word) or (cast("UsageGroup", word),) for word in words
    }
    asked: list[UsageGroup] = []
    for columns_of_word in columns.values():
        asked.extend(one for one in columns_of_word if one not in asked)
    spent: list[Spent] = []
    for total in await store.usage_totals(wanted, by=asked):
        values = dict(zip(asked, total.group, strict=True))
        group = tuple(":".join(value for one in columns[word] if (value := values[one])) for word in words)
        spent.append(_spent(total, group))
    return spent


def _spent(total: UsageTotal, group: tuple[str, ...]) -> Spent:
    return Spent(group, total.cost_usd, total.calls, total.failed, total.unfinished, total.unpriced, total.usage)


def _mapping(sums: Sequence[Spent]) -> dict[str, Spent]:
    return {one.group[0]: one for one in sums}


def _check_call(model: str, usage: Usage, user_id: str) -> None:
    provider, _, name = model.partition(":")
    if not provider or not (name or model == "offline"):
        raise InvalidArguments(f"{model!r} is no model string", hint="write PROVIDER:NAME")
    if not user_id:
        raise InvalidArguments("user_id is empty", hint="say whose costs they are")
    counts = msgspec.structs.asdict(usage)
    wrong = next((kind for kind, count in counts.items() if type(count) is not int or count < 0), None)
    if wrong is not None:
        raise InvalidArguments(f"{wrong} is {counts[wrong]!r}", hint="tokens are whole numbers, 0 or more")
