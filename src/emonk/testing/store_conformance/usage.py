"""Every call of a provider has one row, and the rows come to the right sums."""

# ruff: noqa: D103 - a check says in its name what it checks

from decimal import Decimal
from typing import Any

import msgspec

from emonk.errors import InvalidConfig
from emonk.records import Usage, UsageRow
from emonk.store.protocol import Append, Bill, Store
from emonk.store.usage_protocol import UsageFilter, UsageTotal
from emonk.testing.store_conformance.rig import (
    HALF,
    ODD,
    SESSION,
    Check,
    Rig,
    accept_and_claim,
    equal,
    message,
    note,
    refused,
    stale,
)

_DAY = 86_400_000_000
_MIDNIGHT = 20_000 * _DAY  # 2024-10-04
_NONE = Usage()
_NOTHING = Decimal(0)
ANY = UsageFilter()


async def usage_row_is_kept_as_it_is(rig: Rig) -> None:
    store = await rig.open()
    row = _row(
        "r1",
        state="failed",
        seconds=0.25,
        usage=Usage(5, 4, 3, 2, 1),
        cost_usd=Decimal("0.000000000001"),
        error="rate_limited",
        message_id="m 1",
        role="worker",
        lead="gemini:pro",
        price={"input": "0.1", 'ö "\0"': "2.5"},
        estimate_usd=Decimal("0.25"),
    )
    unpriced = _row("r2", cost_usd=None, model="nul\0 🜁", message_id="nul\0", lead="", estimate_usd=Decimal(1))
    costly = _row("r3", cost_usd=Decimal("1234567.000000123456"))
    await store.bill([costly, row, unpriced])
    equal(await (await rig.open()).usage_rows(ANY), [costly, unpriced, row], "rows")
    await store.bill([_row("r1", cost_usd=Decimal("0.0000000000014"))])
    equal((await store.usage_rows(ANY))[-1].cost_usd, Decimal("0.000000000001"), "a cost in 12 decimal places")


async def later_row_takes_the_place_of_the_one_before_the_call(rig: Rig) -> None:
    store = await rig.open()
    await store.bill([_row("r1", state="started"), _row("r2", state="started")])
    done = _row("r1", usage=Usage(10, 2), cost_usd=Decimal("0.5"), seconds=1.5)
    await store.bill([done])
    await store.bill([_row("r1", state="started")])
    equal(await store.usage_rows(ANY), [_row("r2", state="started"), done], "rows")
    again = msgspec.structs.replace(done, state="failed", error="unavailable")
    await store.bill([done, again, _row("r1", state="started")])
    equal(await store.usage_rows(ANY), [_row("r2", state="started"), again], "rows after three of one id at once")
    await store.bill([])


async def bill_goes_on_when_nobody_waits(rig: Rig) -> None:
    store = await rig.open()
    for number in range(20):
        store.bill([_row(f"r{number % 5}", state="completed" if number > 9 else "started")])
    await store.aclose()
    rows = await (await rig.open()).usage_rows(ANY)
    equal([(row.row_id, row.state) for row in rows], [(f"r{n}", "completed") for n in (4, 3, 2, 1, 0)], "rows")


async def bill_in_a_commit_is_one_with_the_log(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    await store.bill([_row("r1", state="started")])
    write = (Append((note("a"),)), Bill((_row("r1", cost_usd=Decimal("0.25")), _row("r2", state="started"))))
    equal(await store.commit(write, fence=claimed.lease, expected_revision=1), 2, "revision")
    equal([row.state for row in await store.usage_rows(ANY)], ["started", "completed"], "states")
    late = (Append((note("b"),)), Bill((_row("r3"),)))
    await stale(store.commit(late, fence=claimed.lease, expected_revision=1), "a stale commit")
    equal([row.row_id for row in await store.usage_rows(ANY)], ["r2", "r1"], "rows after a stale commit")
    equal(await store.commit((Bill((_row("r2"),)),), fence=claimed.lease, expected_revision=2), 2, "of a bill alone")
    equal([row.state for row in await store.usage_rows(ANY)], ["completed", "completed"], "states")


async def rows_outlive_their_session(rig: Rig) -> None:
    store = await rig.open()
    await store.create(SESSION, user_id="ada")
    await store.bill([_row("r1")])
    await store.delete(SESSION)
    equal(await store.usage_rows(UsageFilter(session_id="s1")), [_row("r1")], "rows")


async def rows_are_listed_the_last_started_first(rig: Rig) -> None:
    store = await rig.open()
    rows = [_row(f"r{number}", started_at=_MIDNIGHT + number // 3) for number in range(10)]
    await store.bill(rows[::2])
    await store.bill(rows[1::2])
    expected = [row.row_id for row in reversed(rows)]
    equal([row.row_id for row in await store.usage_rows(ANY)], expected, "rows")
    seen: list[str] = []
    while page := await store.usage_rows(ANY, limit=4, before=seen[-1] if seen else None):
        seen += [row.row_id for row in page]
    equal(seen, expected, "the same in pages")


async def rows_are_found_by_what_they_say(rig: Rig) -> None:
    store = await rig.open()
    await _three(store)
    await store.bill([_row(f"odd {n}", user_id=odd, session_id=odd, agent=odd) for n, odd in enumerate(ODD)])
    wanted: dict[UsageFilter, list[str]] = {
        UsageFilter(agent="clerk"): ["r3", "r2", "r1"],
        UsageFilter(session_id="s2"): ["r3"],
        UsageFilter(user_id="bob"): ["r2"],
        UsageFilter(message_id="m2", agent="clerk"): ["r2"],
        UsageFilter(purpose="summary"): ["r2"],
        UsageFilter(model="m", since=_MIDNIGHT + 1): ["r3", "r2"],
        UsageFilter(agent="clerk", until=_MIDNIGHT + 1): ["r1"],
        UsageFilter(since=_MIDNIGHT + 1, until=_MIDNIGHT + _DAY): ["r2"],
        UsageFilter(agent="clerk", user_id="bob", session_id="s2"): [],
        **{UsageFilter(user_id=odd, session_id=odd, agent=odd): [f"odd {n}"] for n, odd in enumerate(ODD)},
    }
    for asked, expected in wanted.items():
        equal([row.row_id for row in await store.usage_rows(asked)], expected, f"rows of {asked}")
        totals = await store.usage_totals(asked)
        equal([total.calls for total in totals], [len(expected)], f"calls of {asked}")


async def totals_are_sums_by_words(rig: Rig) -> None:
    store = await rig.open()
    equal(await store.usage_totals(ANY), [_total((), 0)], "the total of no rows")
    equal(await store.usage_totals(ANY, by=["day"]), [], "totals by day of no rows")
    await _three(store)
    spent = Decimal("0.375")
    used, estimated = Usage(12, 6, 3, 2, 1), Decimal("0.75")
    whole = _total((), 3, failed=1, unfinished=1, unpriced=1, usage=used, cost_usd=spent, estimated_usd=estimated)
    equal(await store.usage_totals(ANY), [whole], "the whole")
    quarter = Decimal("0.25")
    first = _total(("2024-10-04",), 2, failed=1, unpriced=1, usage=used, cost_usd=quarter, estimated_usd=estimated)
    second = _total(("2024-10-05",), 1, unfinished=1, cost_usd=Decimal("0.125"))
    equal(await store.usage_totals(ANY, by=["day"]), [first, second], "by day")
    groups = [total.group for total in await store.usage_totals(ANY, by=["user_id", "session_id", "purpose"])]
    equal(groups, [("ada", "s1", "turn"), ("ada", "s2", "turn"), ("bob", "s1", "summary")], "groups by three words")
    by_model = await store.usage_totals(UsageFilter(user_id="ada"), by=["provider", "model", "agent"])
    equal([(total.group, total.calls) for total in by_model], [(("google", "m", "clerk"), 2)], "by model, of a user")
    by_role = await store.usage_totals(ANY, by=["role", "lead", "message_id"])
    expected = [("", "", "m1"), ("worker", "gemini:pro", "m2"), ("worker", "gemini:pro", "m3")]
    equal([total.group for total in by_role], expected, "by role, lead and message")


async def large_sums_are_exact(rig: Rig) -> None:
    store = await rig.open()
    cost = Decimal("9000000.000000000001")
    await store.bill([_row(f"r{number}", cost_usd=cost, usage=Usage(1 << 40)) for number in range(3)])
    (total,) = await store.usage_totals(ANY)
    equal((total.cost_usd, total.usage.input_tokens), (Decimal("27000000.000000000003"), 3 << 40), "cost and tokens")
    await store.bill([_row(f"e{number}", cost_usd=None, estimate_usd=cost) for number in range(3)])
    (total,) = await store.usage_totals(ANY)
    equal((total.cost_usd, total.estimated_usd), (Decimal("27000000.000000000003"),) * 2, "cost and estimates")


async def what_cannot_be_billed_or_asked_is_refused(rig: Rig) -> None:
    store = await rig.open()
    for cost in ("NaN", "Infinity", "1e30"):
        rows = [_row("r1"), _row("r2", cost_usd=Decimal(cost))]
        await refused(ValueError, lambda rows=rows: store.bill(rows), f"a cost of {cost}")
        estimated = [_row("r1", estimate_usd=Decimal(cost))]
        await refused(ValueError, lambda rows=estimated: store.bill(rows), f"an estimate of {cost}")
    await refused(InvalidConfig, lambda: store.bill([_row("r1"), _row(HALF)]), "half a character")
    await refused(InvalidConfig, lambda: store.usage_rows(UsageFilter(user_id=HALF)), "half a character")
    words: Any = ["model", "cost; DROP TABLE usage"]
    await refused(ValueError, lambda: store.usage_totals(ANY, by=words), "a word by which nothing is summed")
    equal(await store.usage_rows(ANY), [], "rows")


async def _three(store: Store) -> None:
    used = Usage(12, 6, 3, 2, 1)
    of_worker = {"role": "worker", "lead": "gemini:pro"}
    await store.bill([_row("r1", message_id="m1", usage=used, cost_usd=Decimal("0.25"), estimate_usd=Decimal("0.5"))])
    await store.bill(
        [
            _row(
                "r2",
                **of_worker,
                message_id="m2",
                estimate_usd=Decimal("0.75"),
                user_id="bob",
                purpose="summary",
                state="failed",
                cost_usd=None,
                started_at=_MIDNIGHT + _DAY - 1,
                error="unavailable",
            )
        ]
    )
    await store.bill(
        [
            _row(
                "r3",
                **of_worker,
                message_id="m3",
                session_id="s2",
                state="started",
                cost_usd=Decimal("0.125"),
                started_at=_MIDNIGHT + _DAY,
            )
        ]
    )


def _row(row_id: str, **changes: Any) -> UsageRow:
    row = UsageRow(
        row_id=row_id,
        agent="clerk",
        session_id="s1",
        user_id="ada",
        trace_id="0" * 31 + "1",
        purpose="turn",
        provider="google",
        model="m",
        state="completed",
        started_at=_MIDNIGHT,
    )
    return msgspec.structs.replace(row, **changes)


def _total(
    group: tuple[str, ...],
    calls: int,
    *,
    failed: int = 0,
    unfinished: int = 0,
    unpriced: int = 0,
    usage: Usage = _NONE,
    cost_usd: Decimal = _NOTHING,
    estimated_usd: Decimal = _NOTHING,
) -> UsageTotal:
    return UsageTotal(
        group=group,
        calls=calls,
        failed=failed,
        unfinished=unfinished,
        unpriced=unpriced,
        usage=usage,
        cost_usd=cost_usd,
        estimated_usd=estimated_usd,
    )


CHECKS: tuple[Check, ...] = (
    usage_row_is_kept_as_it_is,
    later_row_takes_the_place_of_the_one_before_the_call,
    bill_goes_on_when_nobody_waits,
    bill_in_a_commit_is_one_with_the_log,
    rows_outlive_their_session,
    rows_are_listed_the_last_started_first,
    rows_are_found_by_what_they_say,
    totals_are_sums_by_words,
    large_sums_are_exact,
    what_cannot_be_billed_or_asked_is_refused,
)
