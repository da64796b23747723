"""The last good answer stands in, with its age, while the outside fails."""

import asyncio
from typing import Any

import pytest

from emonk.errors import ConfigError, InvalidConfig, Unavailable
from emonk.resilience.attempts import RetryPolicy
from emonk.resilience.cached import Cached, LastGood
from emonk.testing.clock import ManualClock
from tests.resilience.driving import failing, finish


def test_an_old_answer_stands_in_after_two_retries_and_says_its_age() -> None:
    async def main() -> None:
        clock = ManualClock()
        search = LastGood[str](clock=clock, random=lambda: 1.0)
        good, _ = failing(None, result="sunny")
        assert await search.call("paris", good) == Cached("sunny", None)
        await clock.advance(100)
        bad, calls = failing(Unavailable("down"))
        answer = await finish(clock, search.call("paris", bad), seconds=10)
        assert answer == Cached("sunny", 106.0)
        assert (len(calls), clock.slept) == (3, [2.0, 4.0])
        assert await search.call("paris", failing(None, result="rain")[0]) == Cached("rain", None)

    asyncio.run(main())


def test_without_an_answer_the_error_is_raised() -> None:
    async def main() -> None:
        clock = ManualClock()
        search = LastGood[str](clock=clock)
        await search.call("paris", failing(None)[0])
        with pytest.raises(Unavailable):
            await finish(clock, search.call("rome", failing(Unavailable("down"))[0]))

    asyncio.run(main())


def test_an_answer_that_is_too_old_is_not_given_out() -> None:
    async def main() -> None:
        clock = ManualClock()
        search = LastGood[str](oldest=60, clock=clock, random=lambda: 0.0)
        await search.call("paris", failing(None)[0])
        await clock.advance(61)
        with pytest.raises(Unavailable):
            await search.call("paris", failing(Unavailable("down"))[0])

    asyncio.run(main())


@pytest.mark.parametrize("error", [ConfigError("no key"), ValueError("a bug")])
def test_only_faults_of_the_outside_fall_back(error: Exception) -> None:
    async def main() -> None:
        search = LastGood[str](clock=ManualClock())
        await search.call("paris", failing(None)[0])
        with pytest.raises(type(error)):
            await search.call("paris", failing(error)[0])

    asyncio.run(main())


def test_it_falls_back_when_its_time_is_over() -> None:
    async def main() -> None:
        clock = ManualClock()
        search = LastGood[str](clock=clock)
        await search.call("paris", failing(None)[0])

        async def hang() -> str:
            await clock.sleep(1_000)
            return "late"

        assert await finish(clock, search.call("paris", hang, deadline=5), seconds=6) == Cached("done", 5.0)

    asyncio.run(main())


def test_what_was_stored_longest_ago_goes_first() -> None:
    async def main() -> None:
        clock = ManualClock()
        search = LastGood[str](keep=2, clock=clock, random=lambda: 0.0)
        for key in ("a", "b", "a", "c"):
            await search.call(key, failing(None, result=key)[0])
        for key in ("a", "c"):
            assert (await search.call(key, failing(Unavailable("down"))[0])).value == key
        with pytest.raises(Unavailable):
            await search.call("b", failing(Unavailable("down"))[0])

    asyncio.run(main())


def test_a_plain_function_is_asked_too() -> None:
    async def main() -> None:
        answers: list[Exception | str] = ["sunny", ConnectionError("reset")]

        def ask() -> str:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        clock = ManualClock()
        search = LastGood[str](policy=RetryPolicy(retries=0), clock=clock)
        assert await search.call("paris", ask) == Cached("sunny")
        await clock.advance(7)
        assert await search.call("paris", ask) == Cached("sunny", 7.0)

    asyncio.run(main())


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"key": ["paris"]}, r"key is \['paris'\]"),
    ({"key": ("paris", {})}, "key is"),
    ({"fn": 5}, "fn is 5"),
    ({"deadline": float("nan")}, "deadline is nan"),
    ({"deadline": -1}, "deadline is -1"),
    ({"deadline": "5"}, "deadline is '5'"),
]


@pytest.mark.parametrize(("given", "named"), REFUSED)
def test_what_cannot_be_asked_is_refused_before_anything_is_called(given: dict[str, Any], named: str) -> None:
    async def main() -> None:
        ask, calls = failing(None)
        settings: dict[str, Any] = {"key": "paris", "fn": ask} | given
        with pytest.raises(InvalidConfig, match=named):
            await LastGood[str](clock=ManualClock()).call(**settings)
        assert calls == []

    asyncio.run(main())


def test_a_coroutine_is_refused_and_closed() -> None:
    async def main() -> None:
        ask, calls = failing(None)
        given: Any = ask()
        with pytest.raises(InvalidConfig, match="fn is a coroutine"):
            await LastGood[str](clock=ManualClock()).call("paris", given)
        assert calls == []

    asyncio.run(main())


def test_settings_without_sense_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="keep"):
        LastGood[str](keep=0)
    with pytest.raises(InvalidConfig, match="oldest"):
        LastGood[str](oldest=-1)
