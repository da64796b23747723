"""Budgets: periods, what is left, and that turns which run at once do not spend it twice."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.costs.account import EASED_AFTER, RECENT, RECOUNT, Account, Guess, Key
from emonk.costs.budgets import Budgets
from emonk.costs.lengths import FIRST_OUTPUT
from emonk.costs.period import EVER, day_at, month_at
from emonk.costs.spending import LONG_TURN, READ_AGAIN, Reserved, Spending, TurnBudget
from emonk.errors import BudgetExceeded, InvalidConfig
from emonk.records import UsageRow
from emonk.store.protocol import Store
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal
from emonk.testing.clock import ManualClock
from emonk.testing.memory_store import MemoryDatabase

MICROSECONDS = 1_000_000


def instant(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("value", [Decimal(0), Decimal(-1), Decimal("NaN"), 0, -0.5, float("inf"), "1", True])
def test_a_budget_is_a_number_above_zero(value: Any) -> None:
    with pytest.raises(InvalidConfig, match=r"budgets\.session_usd"):
        Budgets(session_usd=value)


def test_a_number_is_taken_as_it_was_written() -> None:
    given: Any = 0.1
    assert Budgets(user_day_usd=given).user_day_usd == Decimal("0.1")
    assert not Budgets()
    assert Budgets(agent_month_usd=Decimal(1))


@pytest.mark.parametrize(
    ("at", "day", "month"),
    [
        ("2026-11-26 00:00:00", ("2026-11-26", "2026-11-27"), ("2026-11-01", "2026-12-01")),
        ("2026-11-26 23:59:59.999999", ("2026-11-26", "2026-11-27"), ("2026-11-01", "2026-12-01")),
        ("2026-12-31 12:00:00", ("2026-12-31", "2027-01-01"), ("2026-12-01", "2027-01-01")),
        ("2028-02-29 12:00:00", ("2028-02-29", "2028-03-01"), ("2028-02-01", "2028-03-01")),
    ],
)
def test_days_and_months_are_those_of_utc(at: str, day: tuple[str, str], month: tuple[str, str]) -> None:
    for period, (since, until) in ((day_at(instant(at)), day), (month_at(instant(at)), month)):
        assert (period.since, period.until) == (instant(since) * MICROSECONDS, instant(until) * MICROSECONDS)


@given(st.floats(0, 4e9))
def test_every_instant_is_in_its_own_day_and_month(at: float) -> None:
    for period in (day_at(at), month_at(at)):
        assert period.since is not None
        assert period.until is not None
        assert period.since <= at * MICROSECONDS < period.until


@given(
    limit=st.decimals("0.01", "10", places=4),
    calls=st.lists(
        st.tuples(st.decimals(0, 2, places=4), st.none() | st.decimals(0, 3, places=4), st.booleans()), max_size=40
    ),
)
def test_what_is_spent_is_at_most_the_budget_and_what_estimates_were_too_low(
    limit: Decimal, calls: Sequence[tuple[Decimal, Decimal | None, bool]]
) -> None:
    """Calls leave and end in any order; some end at once, the others when all have left."""
    account = Account(Key("agent_month_usd", "", EVER), limit)
    too_low, under_way = Decimal(0), list[tuple[Reserved, Decimal | None]]()
    for estimate, cost, at_once in calls:
        used = account.used
        try:
            account.check(estimate)
        except BudgetExceeded:
            assert used + estimate > limit or used >= limit
            continue
        reserved = Reserved([account], estimate)
        too_low += max(Decimal(0), (estimate if cost is None else cost) - estimate)
        if at_once:
            reserved.settle(cost)
        else:
            under_way.append((reserved, cost))
        assert account.used <= limit + too_low
    for reserved, cost in under_way:
        reserved.settle(cost)
    assert account.reserved == 0
    assert account.spent <= limit + too_low


def test_a_refusal_names_the_budget_what_is_spent_and_when_it_begins_anew() -> None:
    account = Account(Key("user_day_usd", "ann", day_at(instant("2026-11-26"))), Decimal("0.5"))
    account.spent = Decimal("0.45")
    with pytest.raises(BudgetExceeded) as raised:
        account.check(Decimal("0.0621"))
    assert raised.value.code == "user_day_usd"
    assert raised.value.message == (
        "a user may spend 0.50 USD in a day (budgets.user_day_usd): 0.45 USD are spent, and the next call may cost"
        " 0.0621 USD"
    )
    assert raised.value.hint == "it begins anew at 2026-11-27 00:00 UTC"


def row(clock: ManualClock, row_id: str, cost: str | None, **changes: Any) -> UsageRow:
    given: dict[str, Any] = {"agent": "a", "session_id": "s", "user_id": "ann", "state": "completed"} | changes
    return UsageRow(
        row_id=row_id,
        trace_id="t",
        purpose="turn",
        provider="gemini",
        model="g",
        started_at=int(clock.time() * MICROSECONDS),
        cost_usd=None if cost is None else Decimal(cost),
        **given,
    )


class Scene:
    """An agent's accounts on a store in memory."""

    def __init__(self, at: str = "2026-11-26 12:00", **budgets: str) -> None:
        self.clock = ManualClock(epoch=instant(at))
        self.store: Store = MemoryDatabase(self.clock).open()
        self.told: list[Account] = []
        self.spending = Spending("a", Budgets(**{k: Decimal(v) for k, v in budgets.items()}), self.store, self.clock)

    def turn(self, session_id: str = "s", user_id: str = "ann", limit: str | None = None) -> TurnBudget:
        usd = Decimal(limit) if limit else None
        return TurnBudget(self.spending, session_id, user_id, limit=usd, spent=Decimal(0), tell=self.told.append)


def test_what_is_spent_is_read_from_the_bill_with_what_nobody_knows_as_estimated() -> None:
    async def main() -> None:
        scene = Scene(session_usd="1", user_day_usd="1", agent_month_usd="1")
        clock = scene.clock
        await scene.store.bill(
            [
                row(clock, "1", "0.5"),
                row(clock, "2", None, state="started", estimate_usd=Decimal("0.25")),
                row(clock, "3", "0.125", session_id="other"),
                row(clock, "4", "0.0625", session_id="other", user_id="bob"),
                row(clock, "5", "7", agent="another"),
            ]
        )
        turn = scene.turn()
        await turn.prepare()
        accounts = scene.spending.accounts("s", "ann")
        assert [account.spent for account in accounts] == [Decimal("0.75"), Decimal("0.875"), Decimal("0.9375")]
        with pytest.raises(BudgetExceeded) as raised:
            turn.reserve(Decimal("0.07"))
        assert raised.value.code == "agent_month_usd"
        turn.reserve(Decimal("0.06"))

    asyncio.run(main())


def test_turns_at_once_do_not_spend_the_same_dollar() -> None:
    async def main() -> None:
        scene = Scene(agent_month_usd="1")
        turns = [scene.turn(f"s{number}") for number in range(10)]
        await asyncio.gather(*(turn.prepare() for turn in turns))
        left: list[Reserved] = []
        for turn in turns:
            try:
                left.append(turn.reserve(Decimal("0.3")))
            except BudgetExceeded:
                continue
        assert len(left) == 3
        left[0].settle(Decimal("0.1"))
        turns[5].reserve(Decimal("0.3"))

    asyncio.run(main())


def test_midnight_and_a_new_month_begin_anew() -> None:
    async def main() -> None:
        scene = Scene("2026-11-30 23:59:59", user_day_usd="1", agent_month_usd="2")
        await scene.store.bill([row(scene.clock, "1", "0.95")])
        turn = scene.turn()
        await turn.prepare()
        with pytest.raises(BudgetExceeded, match="user_day_usd"):
            turn.reserve(Decimal("0.1"))
        await scene.clock.advance(1)
        turn.reserve(Decimal("0.1")).settle(Decimal("0.1"))
        assert [account.spent for account in scene.spending.accounts("s", "ann")] == [Decimal("0.1")] * 2

    asyncio.run(main())


def test_a_budget_is_told_of_once_in_its_period() -> None:
    async def main() -> None:
        scene = Scene(user_day_usd="1")
        turn = scene.turn()
        for other in (scene.turn("s1"), scene.turn("s2"), turn):
            await turn.prepare()
            await other.prepare()
            other.reserve(Decimal("0.3")).settle(Decimal("0.28"))
            other.warn()
        text = "0.84 of the 1.00 USD are used that a user may spend in a day (budgets.user_day_usd)"
        assert [account.told() for account in scene.told] == [f"{text}, until 2026-11-27 00:00 UTC"]
        with pytest.raises(BudgetExceeded):
            turn.reserve(Decimal("0.3"))
        await scene.clock.advance(86_400)
        await turn.prepare()
        with pytest.raises(BudgetExceeded):
            turn.reserve(Decimal("1.5"))
        assert len(scene.told) == 1
        turn.reserve(Decimal("0.8"))
        turn.warn()
        assert len(scene.told) == 2

    asyncio.run(main())


def test_what_others_spend_is_seen_by_the_next_turn_and_by_a_long_one() -> None:
    async def main() -> None:
        scene = Scene(agent_month_usd="10")
        first = scene.turn()
        await first.prepare()
        reserved = first.reserve(Decimal("0.5"))
        await scene.store.bill(
            [
                row(scene.clock, "own", None, state="started", estimate_usd=Decimal("0.5")),
                row(scene.clock, "theirs", "2"),
            ]
        )
        (account,) = scene.spending.accounts("s", "ann")
        await scene.clock.advance(READ_AGAIN)
        await first.prepare()
        assert account.used == Decimal("0.5")
        await scene.turn("s2").prepare()
        assert account.used == Decimal("2.5")
        reserved.settle(Decimal("0.25"))
        assert account.used == Decimal("2.25")
        await scene.store.bill([row(scene.clock, "more", "3")])
        await scene.clock.advance(LONG_TURN)
        await first.prepare()
        assert account.spent >= Decimal("5.25")

    asyncio.run(main())


class Counting:
    """A store that notes which rows were summed, and can wait before it answers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[UsageFilter] = []
        self.answers = asyncio.Event()
        self.answers.set()

    def bill(self, rows: Sequence[UsageRow]) -> "asyncio.Future[None]":
        return self._store.bill(rows)

    async def usage_rows(self, wanted: UsageFilter, *, limit: int = 100, before: str | None = None) -> list[UsageRow]:
        return await self._store.usage_rows(wanted, limit=limit, before=before)

    async def usage_totals(self, wanted: UsageFilter, *, by: Sequence[UsageGroup] = ()) -> list[UsageTotal]:
        self.asked.append(wanted)
        await self.answers.wait()
        return await self._store.usage_totals(wanted, by=by)


def test_a_turn_reads_only_the_last_minutes_of_the_bill_again() -> None:
    async def main() -> None:
        scene = Scene(agent_month_usd="100")
        store = Counting(scene.store)
        scene.spending = Spending("a", scene.spending.budgets, store, scene.clock)
        for number in range(200):
            await scene.store.bill([row(scene.clock, f"{number:03}", "0.25")])
            store.asked.clear()
            await scene.turn(f"s{number}").prepare()
            (account,) = scene.spending.accounts("s", "ann")
            assert account.spent == Decimal("0.25") * (number + 1)
            assert len(store.asked) <= 2
            if number > 1:
                assert store.asked[-1].since is not None
                assert scene.clock.time() - store.asked[-1].since / MICROSECONDS <= 2 * RECENT
            await scene.clock.advance(200)

    asyncio.run(main())


def test_a_turn_within_a_second_of_another_takes_over_what_that_read() -> None:
    async def main() -> None:
        scene = Scene(agent_month_usd="100")
        store = Counting(scene.store)
        scene.spending = Spending("a", scene.spending.budgets, store, scene.clock)
        for number in range(5):
            await scene.turn(f"s{number}").prepare()
        assert len(store.asked) == 1

    asyncio.run(main())


@pytest.mark.parametrize(("minutes", "known"), [(80, "0.5"), (130, "2")])
def test_a_call_that_takes_an_hour_elsewhere_counts_with_its_cost_at_last(minutes: int, known: str) -> None:
    async def main() -> None:
        scene = Scene(agent_month_usd="100")
        started = row(scene.clock, "1", None, state="started", estimate_usd=Decimal(2))
        await scene.store.bill([started])
        for _ in range(minutes * 60 // RECENT):
            await scene.turn().prepare()
            assert scene.spending.accounts("s", "ann")[0].spent == 2
            await scene.clock.advance(RECENT)
        await scene.store.bill([msgspec.structs.replace(started, state="completed", cost_usd=Decimal("0.5"))])
        await scene.clock.advance(READ_AGAIN)
        await scene.turn().prepare()
        assert scene.spending.accounts("s", "ann")[0].spent == Decimal(known)
        await scene.clock.advance(RECOUNT)
        await scene.turn().prepare()
        assert scene.spending.accounts("s", "ann")[0].spent == Decimal("0.5")

    asyncio.run(main())


def test_a_call_that_begins_while_the_bill_is_read_counts_once() -> None:
    async def main() -> None:
        scene = Scene(agent_month_usd="1")
        store = Counting(scene.store)
        scene.spending = Spending("a", scene.spending.budgets, store, scene.clock)
        turn, other = scene.turn("s1"), scene.turn("s2")
        await turn.prepare()
        (account,) = scene.spending.accounts("s", "ann")
        for number in range(3):
            await scene.clock.advance(READ_AGAIN)
            store.answers.clear()
            reading = asyncio.create_task(scene.turn(f"t{number}").prepare())
            await asyncio.sleep(0)
            reserved = turn.reserve(Decimal("0.1"))
            started = row(scene.clock, str(number), None, state="started", estimate_usd=Decimal("0.1"))
            await scene.store.bill([started])
            store.answers.set()
            await reading
            assert account.used == Decimal("0.1") + number * Decimal("0.02")
            reserved.settle(Decimal("0.02"))
            await scene.store.bill([msgspec.structs.replace(started, state="completed", cost_usd=Decimal("0.02"))])
            assert account.used == (number + 1) * Decimal("0.02")
        await scene.clock.advance(READ_AGAIN)
        await other.prepare()
        assert account.used == Decimal("0.06")

    asyncio.run(main())


def test_what_calls_elsewhere_were_expected_to_cost_gives_way_to_what_they_did() -> None:
    async def main() -> None:
        scene = Scene(agent_month_usd="10")
        theirs = row(scene.clock, "theirs", None, state="started", estimate_usd=Decimal(5))
        await scene.store.bill([theirs])
        await scene.turn().prepare()
        (account,) = scene.spending.accounts("s", "ann")
        assert account.used == 5
        await scene.store.bill([msgspec.structs.replace(theirs, state="completed", cost_usd=Decimal(1))])
        await scene.clock.advance(READ_AGAIN)
        await scene.turn().prepare()
        assert account.used == 1

    asyncio.run(main())


def test_a_cost_that_is_not_in_the_bill_yet_is_not_taken_back() -> None:
    async def main() -> None:
        scene = Scene(agent_month_usd="10")
        turn = scene.turn()
        await turn.prepare()
        await scene.clock.advance(READ_AGAIN)
        turn.reserve(Decimal(1)).settle(Decimal("0.5"))
        await scene.turn().prepare()
        (account,) = scene.spending.accounts("s", "ann")
        assert account.used == Decimal("0.5")

    asyncio.run(main())


def guess(scene: Scene) -> tuple[Decimal, Guess]:
    """For a token of output that costs a cent."""
    lengths = scene.spending.lengths("gemini:g")
    usd = Decimal(lengths.expected) / 100
    return usd, Guess(usd, Decimal(FIRST_OUTPUT) / 100, Decimal(lengths.shortest) / 100)


def is_served(scene: Scene, turn: TurnBudget) -> bool:
    try:
        turn.reserve(*guess(scene)).settle(Decimal("0.01"))
    except BudgetExceeded:
        return False
    return True


answers = st.lists(st.integers(0, 1_000_000_000), max_size=40)


@given(answers)
def test_no_answers_of_others_refuse_whoever_has_spent_nothing(tokens: Sequence[int]) -> None:
    scene = Scene(user_day_usd=str(FIRST_OUTPUT / 100))
    for output in tokens:
        scene.spending.learn("gemini:g", output)
    assert is_served(scene, scene.turn())
    scene = Scene()
    for output in tokens:
        scene.spending.learn("gemini:g", output)
    assert is_served(scene, scene.turn(limit=str(FIRST_OUTPUT / 100)))


@given(answers, st.decimals("0.01", 10, places=2))
def test_no_guess_refuses_for_ever_what_the_shortest_answers_cost(tokens: Sequence[int], more: Decimal) -> None:
    def scene() -> Scene:
        made = Scene(session_usd="1e9")
        for output in tokens:
            made.spending.learn("gemini:g", output)
        return made

    late = scene()
    left = Decimal(late.spending.lengths("gemini:g").shortest) / 100 + more
    (account,) = late.spending.accounts("s", "ann")
    account.spent = 1_000_000_000 - left
    assert any(is_served(late, late.turn()) for _ in range(EASED_AFTER * 64))
    low = scene()
    left = Decimal(low.spending.lengths("gemini:g").shortest) / 100 + more
    assert any(is_served(low, low.turn(limit=str(left))) for _ in range(EASED_AFTER * 64))


def test_what_even_the_shortest_answers_cost_refuses_for_ever() -> None:
    scene = Scene(session_usd="10")
    for output in (120, 100, 110, 130, 140):
        scene.spending.learn("gemini:g", output)
    (account,) = scene.spending.accounts("s", "ann")
    account.spent = Decimal("9.01")
    assert not any(is_served(scene, scene.turn()) for _ in range(EASED_AFTER * 64))
    account.spent = Decimal(9)
    assert is_served(scene, scene.turn())


def test_a_turn_takes_over_how_often_those_before_were_refused() -> None:
    scene = Scene()
    tries = [is_served(scene, scene.turn(limit="1")) for _ in range(3 * EASED_AFTER + 1)]
    assert tries == [False] * 3 * EASED_AFTER + [True]
    scene.spending.learn("gemini:g", 400)
    assert not is_served(scene, scene.turn(limit="1"))


def test_what_is_certain_refuses_for_ever() -> None:
    scene = Scene(session_usd="1")
    for _ in range(EASED_AFTER * 64):
        with pytest.raises(BudgetExceeded):
            scene.turn().reserve(Decimal("1.01"))
        with pytest.raises(BudgetExceeded):
            scene.turn().reserve(Decimal(6), Guess(Decimal("4.9"), Decimal(1), Decimal(0)))
