"""Money in whole units, and which row of an id remains."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.records import UsageRow
from emonk.store.bill import distinct, to_units, to_usd

AMOUNTS = st.decimals(min_value=-9_000_000, max_value=9_000_000, places=12)


@given(AMOUNTS)
def test_twelve_decimal_places_come_back(cost: Decimal) -> None:
    kept = to_usd(to_units(cost))
    assert kept == cost
    assert "E+" not in str(kept)


@given(st.decimals(min_value=0, max_value=1000, allow_nan=False))
def test_more_places_are_rounded_by_at_most_half_a_unit(cost: Decimal) -> None:
    kept = to_usd(to_units(cost))
    assert kept is not None
    assert abs(kept - cost) <= Decimal("5e-13")


@pytest.mark.parametrize("cost", ["NaN", "sNaN", "Infinity", "-Infinity", "9223372.036854775808", "1e400"])
def test_what_is_no_amount_is_refused(cost: str) -> None:
    with pytest.raises(ValueError, match="cannot be kept"):
        to_units(Decimal(cost))


def test_an_unknown_cost_stays_unknown() -> None:
    assert (to_units(None), to_usd(None)) == (None, None)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["started", "completed", "failed"]))))
def test_a_row_that_is_done_stays_done(calls: list[tuple[str, str]]) -> None:
    rows = [_row(row_id, state, number) for number, (row_id, state) in enumerate(calls)]
    kept = distinct(rows)
    assert [row.row_id for row in kept] == sorted({row_id for row_id, _ in calls})
    for row in kept:
        same = [other for other in rows if other.row_id == row.row_id]
        done = [other for other in same if other.state != "started"]
        assert row is (done or same)[-1]


def _row(row_id: str, state: str, started_at: int) -> UsageRow:
    names = dict.fromkeys(("agent", "session_id", "user_id", "trace_id", "purpose", "provider", "model"), "")
    return UsageRow(row_id=row_id, state=state, started_at=started_at, **names)  # pyright: ignore[reportArgumentType]
