"""Who spent what: sums over the ledger of a store, and rows for calls that no agent made."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Literal, Self, cast, get_args

import msgspec

from emonk.clock import MICROSECONDS, SYSTEM_CLOCK, Clock
from emonk.costs.book import DEFAULT, Cost, PriceBook
from emonk.costs.calls import MOST_USD, REPLAY, OpenCall, completed
from emonk.costs.period import period
from emonk.costs.savings import Savings, savings
from emonk.errors import InvalidArguments, UnknownPrice
from emonk.ids import uuid7
from emonk.models.cassette.current import replaying
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
        cost_usd: of the calls whose cost is known; None where there are others, and these cost nothing.
        calls: all of them.
        failed: those that came to nothing.
        unfinished: those that are under way or were cut off by a crash.
        unpriced: those whose cost is not known; the unfinished are among them.
    """

    group: tuple[str, ...]
    cost_usd: Decimal | None
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
    def total_usd(self) -> Decimal | None:
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
        _check_model(model)
        _check_user(user_id)
        _check_usage(usage)
        row = self._row(model, user_id, session_id=session_id, agent=agent, purpose=purpose, lead=lead)
        cost = self._cost(row, usage, answered_by)
        row = completed(row, usage, cost, 0.0)
        row = msgspec.structs.replace(row, state="failed") if failed else row
        await self._write(row)
        return row

    async def begin(
        self,
        model: str,
        *,
        user_id: str,
        session_id: str = "",
        agent: str = "",
        purpose: str = "own",
        lead: str = "",
        role: str = "",
    ) -> OpenCall:
        """Write the row of a call that leaves now, `started`; whoever makes the call tells how it ends.

        Args:
            model: as for `log_usage`, or whatever a model of your own is named.
            user_id: likewise.
            session_id: likewise.
            agent: likewise.
            purpose: likewise.
            lead: likewise.
            role: of the model, `lead`, `worker` or `fallback`.

        Raises:
            InvalidArguments: no user.
        """
        _check_user(user_id)
        if replaying():
            purpose, lead = REPLAY, ""  # a replay saves nothing
        row = self._row(model, user_id, session_id=session_id, agent=agent, purpose=purpose, lead=lead, role=role)
        call = OpenCall(row, self._write, self._cost, self._clock)
        await self._write(row)
        return call

    def _row(
        self, model: str, user_id: str, *, session_id: str, agent: str, purpose: str, lead: str, role: str = ""
    ) -> UsageRow:
        provider, _, name = model.partition(":")
        return UsageRow(
            row_id=uuid7(),
            agent=agent,
            session_id=session_id,
            user_id=user_id,
            trace_id=get_trace_id() or "",
            purpose=purpose,
            provider=provider,
            model=name,
            state="started",
            started_at=int(self._clock.time() * MICROSECONDS),
            cost_usd=Decimal(0) if purpose == REPLAY else None,
            role=role,
            lead=lead,
        )

    async def _write(self, row: UsageRow) -> None:
        await (await self._opened()).bill([row])

    def _cost(self, row: UsageRow, usage: Usage, answered_by: str) -> Cost | None:
        spec = f"{row.provider}:{row.model}" if row.model else row.provider
        at = datetime.fromtimestamp(row.started_at / MICROSECONDS, UTC)
        try:
            cost = self._prices.cost(spec, usage, model=answered_by, at=at)
        except UnknownPrice:
            return None
        return cost if cost.total_usd < MOST_USD else None

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
    cost = None if total.unpriced and not total.cost_usd else total.cost_usd
    return Spent(group, cost, total.calls, total.failed, total.unfinished, total.unpriced, total.usage)


def _mapping(sums: Sequence[Spent]) -> dict[str, Spent]:
    return {one.group[0]: one for one in sums}


def _check_model(model: str) -> None:
    provider, _, name = model.partition(":")
    if not provider or not (name or model == "offline"):
        raise InvalidArguments(f"{model!r} is no model string", hint="write PROVIDER:NAME")


def _check_user(user_id: str) -> None:
    if not user_id:
        raise InvalidArguments("user_id is empty", hint="say whose costs they are")


def _check_usage(usage: Usage) -> None:
    counts = msgspec.structs.asdict(usage)
    wrong = next((kind for kind, count in counts.items() if type(count) is not int or count < 0), None)
    if wrong is not None:
        raise InvalidArguments(f"{wrong} is {counts[wrong]!r}", hint="tokens are whole numbers, 0 or more")
