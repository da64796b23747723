"""Retries for any function: `retry_with_backoff`."""

import inspect
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import CircuitOpen, ConfigError, EmonkError, InfraError, InvalidConfig, OutcomeUnknown
from emonk.resilience.attempts import MayRetry, OnRetry, RetryPolicy, attempts, settled
from emonk.resilience.bounds import above_zero, chance_of, clock_of, flag, number, whole
from emonk.resilience.budget import RetryBudget
from emonk.resilience.classify import retryable

__all__ = ["RetryPolicy", "attempts", "retry_with_backoff"]

T = TypeVar("T")
RetryOn = type[BaseException] | tuple[type[BaseException], ...] | Callable[[Exception], object]


async def retry_with_backoff(
    func: Callable[[], Awaitable[T] | T],
    max_retries: int = 3,
    initial_delay: float = 1.0,
    exponential: bool = True,
    on_retry: OnRetry | None = None,
    *,
    jitter: bool = True,
    max_delay: float = 60.0,
    deadline: float | None = None,
    retry_on: RetryOn | None = None,
    budget: RetryBudget | None = None,
    clock: Clock = SYSTEM_CLOCK,
    random: Callable[[], float] = random.random,
) -> T:
    """Call a function until it succeeds, waiting longer after each failure.

    What the server asked to wait (`retry_after` on the error) is a floor under the wait; an hour at the most. Where
    calls of this function are nested, only the innermost retries.

    Args:
        func: takes no arguments; plain or async. A plain one runs in the event loop and must not block it.
        max_retries: retries after the first call: 3 means up to four calls.
        initial_delay: seconds before the first retry.
        exponential: each wait is twice as long as the one before, else all are `initial_delay`.
        on_retry: called before each wait with the retry's number from 1 on, and the error. Plain or async; what it
            raises is logged.
        jitter: wait a random part of the time (full jitter) instead of all of it.
        max_delay: seconds that no wait exceeds, unless the server asks for more.
        deadline: seconds for the whole call with its waits. A call that still runs then is cancelled; a wait that would
            pass it is not begun.
        retry_on: a type of error, several, or a function that says of an error whether it is retried (plain or async).
            Without it, faults of the outside are, and whatever is no error of emonk's own. Never retried:
            `ConfigError`, `CircuitOpen`, `OutcomeUnknown`, what is `final`, and cancellation.
        budget: shared with other calls of the same dependency; when it is spent, nothing is retried.
        clock: measures the seconds and sleeps.
        random: gives the jitter, from 0 to below 1.

    Returns:
        What `func` returned, awaited where it can be.

    Raises:
        InvalidConfig: a value that cannot be used; nothing was called.
        DeadlineExceeded: the deadline passed during a call; its cause is the last error.
        Exception: the last error itself, with a note of how many attempts there were.
    """
    _check_function("func", func)
    if on_retry is not None:
        _check_function("on_retry", on_retry)
    if budget is not None and not isinstance(budget, RetryBudget):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidConfig(f"budget is {budget!r}", hint="give a RetryBudget")
    policy = RetryPolicy(
        retries=whole("max_retries", max_retries),
        first=number("initial_delay", initial_delay),
        factor=2.0 if flag("exponential", exponential) else 1.0,
        longest=number("max_delay", max_delay),
        jitter=flag("jitter", jitter),
    )

    async def call() -> T:
        return cast("T", await settled(func()))

    return await attempts(
        call,
        policy,
        may_retry=_rule(retry_on),
        on_retry=on_retry,
        deadline=None if deadline is None else above_zero("deadline", deadline),
        budget=budget,
        clock=clock_of("clock", clock),
        random=chance_of("random", random),
        what=getattr(func, "__name__", "the call"),
    )


def _check_function(setting: str, value: object) -> None:
    if inspect.iscoroutine(value):
        value.close()  # nobody will await it
        raise InvalidConfig(
            f"{setting} is a coroutine, which runs only once",
            hint=f"give the function: {value.__name__}, not a call of it",
        )
    if not callable(value):
        raise InvalidConfig(f"{setting} is {value!r}", hint="give a function")


def _rule(retry_on: RetryOn | None) -> MayRetry:
    if retry_on is None:
        return _ordinary
    kinds = _kinds(retry_on)
    if kinds is not None:
        return lambda error: isinstance(error, kinds) and not _never(error)
    _check_function("retry_on", retry_on)
    asks = cast("MayRetry", retry_on)

    async def asked(error: Exception) -> bool:
        return not _never(error) and bool(await settled(asks(error)))

    return asked


def _kinds(retry_on: object) -> tuple[type[BaseException], ...] | None:
    """The types that are named; None when a function is."""
    if not isinstance(retry_on, type | tuple):
        return None
    named = cast("tuple[object, ...]", retry_on) if isinstance(retry_on, tuple) else (retry_on,)
    kinds = tuple(kind for kind in named if isinstance(kind, type) and issubclass(kind, BaseException))
    if len(kinds) != len(named):
        raise InvalidConfig(f"retry_on is {retry_on!r}", hint="types of exceptions, or a function")
    return kinds


def _ordinary(error: Exception) -> bool:
    return not isinstance(error, EmonkError) or retryable(error)


def _never(error: Exception) -> bool:
    lasting = isinstance(error, ConfigError | CircuitOpen | OutcomeUnknown)
    return lasting or (isinstance(error, InfraError) and error.final)
