"""Callbacks after a while: called when they are due unless they were dropped, whatever others do."""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emonk.resilience.later import Later
from emonk.testing.virtual_loop import SimClock, run

SECONDS = 5.0


def test_whoever_came_first_is_called_first_and_nobody_early() -> None:
    called: list[tuple[str, float]] = []

    async def main(clock: SimClock) -> None:
        later, began = Later(SECONDS), clock.monotonic()
        for name in ("a", "b"):
            later.add(name, lambda name=name: called.append((name, clock.monotonic() - began)))
            await clock.sleep(1)
        await clock.sleep(10)

    run(main)
    assert called == [("a", 5.0), ("b", 6.0)]


@given(st.lists(st.tuples(st.sampled_from(["add", "drop", "wait"]), st.integers(0, 3), st.integers(0, 7)), max_size=30))
def test_everybody_is_called_once_after_his_time_unless_he_was_dropped_before(
    steps: list[tuple[str, int, int]],
) -> None:
    called: list[tuple[int, float]] = []
    expected: list[tuple[int, float]] = []

    async def main(clock: SimClock) -> None:
        later, began = Later(SECONDS), clock.monotonic()
        due: dict[int, float] = {}

        def callback(who: int) -> Callable[[], None]:
            return lambda: called.append((who, clock.monotonic() - began))

        for kind, who, wait in (*steps, ("wait", 0, 10)):
            if kind == "wait":
                await clock.sleep(wait)
                now = clock.monotonic() - began
                over = [one for one, at in due.items() if at <= now]
                expected.extend((one, due.pop(one)) for one in over)
            elif kind == "drop":
                later.drop(who)
                due.pop(who, None)
            elif who not in due:
                later.add(who, callback(who))
                due[who] = clock.monotonic() - began + SECONDS

    run(main)
    assert called == expected


def test_a_callback_that_fails_keeps_nobody_waiting() -> None:
    called: list[str] = []
    failures: list[dict[str, Any]] = []

    def fail() -> None:
        raise ValueError("broken")

    async def main(clock: SimClock) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        later = Later(SECONDS)
        later.add("a", fail)
        later.add("b", lambda: called.append("b"))
        await clock.sleep(SECONDS + 1)

    run(main)
    assert called == ["b"]
    assert [str(one["exception"]) for one in failures] == ["broken"]


def test_all_who_are_due_are_called_in_one_round_of_the_loop() -> None:
    called: list[int] = []

    async def main(clock: SimClock) -> int:
        later, rounds = Later(SECONDS), 0

        def count() -> None:
            nonlocal rounds
            rounds += 1
            if len(called) < 100:
                asyncio.get_running_loop().call_soon(count)

        for who in range(100):
            later.add(who, lambda who=who: called.append(who))
        later.add("the others", lambda: None)
        await clock.sleep(SECONDS - 1)
        asyncio.get_running_loop().call_later(1, count)
        await clock.sleep(2)
        return rounds

    assert run(main) <= 2
    assert called == list(range(100))


def test_nobody_is_called_after_it_was_closed_nor_in_another_loop() -> None:
    called: list[str] = []
    later = Later(SECONDS)

    async def first(clock: SimClock) -> None:
        later.add("closed", lambda: called.append("closed"))
        later.close()
        await clock.sleep(SECONDS + 1)
        later.add("left behind", lambda: called.append("left behind"))

    async def second(clock: SimClock) -> None:
        later.add("here", lambda: called.append("here"))
        await clock.sleep(SECONDS + 1)

    run(first)
    run(second)
    assert called == ["here"]
