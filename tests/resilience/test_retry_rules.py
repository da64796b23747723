"""`retry_with_backoff`: which errors are retried, and by which of several layers."""

import asyncio
from functools import partial
from typing import Any

import pytest

from emonk import retry_with_backoff
from emonk.errors import (
    AgentError,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    MissingCredential,
    OutcomeUnknown,
    QuotaExhausted,
    Unavailable,
)
from emonk.testing.clock import ManualClock
from tests.resilience.driving import failing, finish


def run(func: Any, clock: ManualClock | None = None, **options: Any) -> Any:
    clock = clock or ManualClock()
    options = {"jitter": False, **options}
    return asyncio.run(finish(clock, retry_with_backoff(func, clock=clock, **options)))


def _whatever(error: Exception) -> bool:
    return True


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("wrong"),
        MissingCredential("no key"),
        CircuitOpen("open", retry_after=1.0),
        OutcomeUnknown("cut off"),
        Unavailable("broke off", final=True),
    ],
)
@pytest.mark.parametrize("retry_on", [None, Exception, (OSError, Exception), _whatever])
def test_what_is_never_retried(error: Exception, retry_on: Any) -> None:
    func, calls = failing(error)
    with pytest.raises(type(error)):
        run(func, retry_on=retry_on)
    assert len(calls) == 1


@pytest.mark.parametrize("error", [AgentError("wrong"), QuotaExhausted("used up", retry_after=1.0)])
def test_what_waiting_does_not_mend_is_retried_only_when_asked_for(error: Exception) -> None:
    func, calls = failing(error, None)
    with pytest.raises(type(error)):
        run(func)
    assert len(calls) == 1
    func, _ = failing(error, None)
    assert run(func, retry_on=type(error)) == "done"


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("k"), OSError(5, "disk"), ConnectionError()])
def test_any_error_of_the_users_own_function_is_retried(error: Exception) -> None:
    func, _ = failing(error, None)
    assert run(func) == "done"


async def _async_rule(error: Exception) -> bool:
    return isinstance(error, ValueError)


def _rule(error: Exception) -> bool:
    return isinstance(error, ValueError)


@pytest.mark.parametrize("retry_on", [ValueError, (KeyError, ValueError), _rule, _async_rule])
def test_retry_on_is_a_type_several_or_a_function(retry_on: Any) -> None:
    func, calls = failing(ValueError(), ZeroDivisionError())
    with pytest.raises(ZeroDivisionError) as raised:
        run(func, retry_on=retry_on)
    assert len(calls) == 2
    assert raised.value.__notes__ == ["2 attempts: this error is not retried"]


def test_a_rule_that_raises_is_logged_and_nothing_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    def rule(error: Exception) -> bool:
        raise RuntimeError("the rule broke")

    func, calls = failing(Unavailable("down"))
    with pytest.raises(Unavailable):
        run(func, retry_on=rule)
    assert len(calls) == 1
    assert "the rule broke" in caplog.text


def test_only_the_innermost_layer_retries() -> None:
    func, calls = failing(Unavailable("down"))
    clock = ManualClock()

    async def inner() -> str:
        return await retry_with_backoff(func, max_retries=2, clock=clock)

    async def middle() -> str:
        return await asyncio.create_task(retry_with_backoff(inner, clock=clock))

    with pytest.raises(Unavailable) as raised:
        run(middle, clock)
    assert len(calls) == 3
    assert raised.value.__notes__ == ["3 attempts: no retries are left", "1 attempt: a retry within it gave up"]


def test_a_layer_within_that_wraps_its_error_has_retried_all_the_same() -> None:
    func, calls = failing(ConnectionError())

    async def inner() -> str:
        try:
            return await retry_with_backoff(func, max_retries=1, initial_delay=0)
        except ConnectionError:
            raise Unavailable("wrapped") from None

    with pytest.raises(Unavailable):
        run(inner)
    assert len(calls) == 2


def test_a_layer_within_that_hangs_until_its_deadline_is_not_begun_again() -> None:
    clock = ManualClock()
    calls: list[int] = []

    async def hang() -> None:
        calls.append(1)
        await clock.sleep(1_000)

    with pytest.raises(DeadlineExceeded):
        run(partial(retry_with_backoff, hang, deadline=5, clock=clock), clock)
    assert calls == [1]


def test_a_layer_within_that_may_not_retry_leaves_it_to_the_one_around() -> None:
    func, calls = failing(Unavailable("down"))
    with pytest.raises(Unavailable):
        run(partial(retry_with_backoff, func, max_retries=0))
    assert len(calls) == 4

    func, calls = failing(ValueError("odd"))
    with pytest.raises(ValueError, match="odd"):
        run(partial(retry_with_backoff, func, retry_on=KeyError))
    assert len(calls) == 4


def test_an_error_that_was_retried_in_vain_may_be_retried_later_elsewhere() -> None:
    error = Unavailable("down")
    for _ in range(2):
        func, calls = failing(error)
        with pytest.raises(Unavailable):
            run(func)
        assert len(calls) == 4
    assert error.__notes__ == ["4 attempts: no retries are left"]
