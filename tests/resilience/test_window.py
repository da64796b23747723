"""A window holds what a list of everything would, in little memory."""

from hypothesis import given
from hypothesis import strategies as st

from emonk.resilience.window import BUCKETS, Window

CALLS = st.tuples(st.sampled_from([0.0, 0.25, 1.0, 7.5, 59.0, 60.0, 1000.0]), st.booleans(), st.booleans())


@given(st.lists(CALLS), st.sampled_from([0.0, 1.0, 59.0, 59.75, 60.0, 61.0]))
def test_holds_what_is_younger_than_its_seconds(calls: list[tuple[float, bool, bool]], rest: float) -> None:
    window = Window(60.0)
    now = 1000.0
    kept: list[tuple[float, bool, bool]] = []
    for passed, failed, slow in calls:
        now += passed
        kept.append((now, failed, slow))
        assert window.record(now, failed=failed, slow=slow) is window.tally(now)
    now += rest
    young = [call for call in kept if now // 1 - call[0] // 1 < BUCKETS]
    tally = window.tally(now)
    counts = (len(young), sum(failed for _, failed, _ in young), sum(slow for _, _, slow in young))
    assert (tally.calls, tally.failures, tally.slow) == counts


@given(st.floats(0.001, 1e6), st.floats(0.0, 1e6), st.floats(0.0, 2.0))
def test_nothing_is_held_beyond_its_seconds_nor_lost_much_earlier(seconds: float, start: float, share: float) -> None:
    window = Window(seconds)
    window.record(start, failed=True, slow=False)
    age = share * seconds
    calls = window.tally(start + age).calls
    if share < (BUCKETS - 1) / BUCKETS - 0.001:
        assert calls == 1
    if share > 1.001:
        assert calls == 0


def test_memory_does_not_grow_with_calls() -> None:
    window = Window(60.0)
    for call in range(10_000):
        window.record(call / 50, failed=False, slow=False)
        assert len(window._buckets) <= BUCKETS  # pyright: ignore[reportPrivateUsage]


def test_cleared_it_holds_nothing() -> None:
    window = Window(1.0)
    window.record(5.0, failed=True, slow=True)
    window.clear()
    tally = window.tally(5.0)
    assert (tally.calls, tally.failures, tally.slow) == (0, 0, 0)
