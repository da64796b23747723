"""What stands between emonk and one dependency, in one order: deadline > budget > breaker > limit > retry > call.

- **deadline**: a call whose time is over is not begun, and no wait begins that would pass it.
- **budget**: every call pays into the dependency's retry budget, and every retry takes from it.
- **breaker**: an open one refuses at once, before the queue; no retry follows a refusal.
- **limit**: so many calls at a time, others wait in line, interactive ones first; a long line refuses.
- **retry**: what may be sent again is, after its wait. Each attempt asks the breaker and the limit anew, so that
  the breaker sees what the dependency really did, a retry is not sent into a breaker that has opened meanwhile, and
  who waits for a retry takes no one's place. A probe of a half-open breaker is one attempt, never more.
"""

import asyncio
import inspect
import random as chance
from collections.abc import Awaitable, Callable, Hashable
from math import isnan
from types import CoroutineType
from typing import Any, Generic, TypeVar, cast

import msgspec

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import CircuitOpen, DeadlineExceeded, InvalidConfig
from emonk.resilience.attempts import LONGEST_HINT, OnRetry, RetryPolicy, attempts_after
from emonk.resilience.breaker import CircuitBreaker, not_callable
from emonk.resilience.breaker_events import BreakerStatus, CircuitState
from emonk.resilience.budget import RetryBudget
from emonk.resilience.cached import Cached, LastGood
from emonk.resilience.circuit import Permit
from emonk.resilience.classify import retryable
from emonk.resilience.deadline import within
from emonk.resilience.layer import RetryLayer
from emonk.resilience.limit import ConcurrencyLimit

T = TypeVar("T")

_AT_ONCE = 0.5
"""Seconds within which a cancellation is the deadline's."""


class GuardStatus(msgspec.Struct, frozen=True):
    """A guard as it is now; see the parts for what the numbers mean."""

    name: str
    breaker: BreakerStatus
    running: int
    waiting: int
    retry_tokens: float


class Guard:
    """Guards the calls of one dependency.

    Attributes:
        name: of the dependency.
        breaker: to be watched, opened or reset by hand.
        limit: who runs and who waits.
        budget: the retries that are left.
        timeout: seconds for one attempt, None without limit.
        clock: measures all of it.
    """

    def __init__(
        self,
        name: str,
        *,
        policy: RetryPolicy,
        breaker: CircuitBreaker,
        limit: ConcurrencyLimit,
        budget: RetryBudget,
        timeout: float | None = None,
        slow_after: float = 30.0,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Compose the parts.

        Args:
            name: of the dependency, as users know it.
            policy: of retries.
            breaker: for this dependency alone.
            limit: for this dependency alone.
            budget: for this dependency alone.
            timeout: seconds for one attempt; None leaves it to the caller's deadline.
            slow_after: seconds; a call that its caller gives up after so long has failed.
            clock: measures all of it.
            random: gives the jitter, from 0 to below 1.
        """
        self.name = name
        self.breaker = breaker
        self.limit = limit
        self.budget = budget
        self._policy = policy
        self.timeout = timeout
        self._slow_after = slow_after
        self.clock = clock
        self._random = random
        self._last: LastGood[Any] = LastGood(policy=RetryPolicy(retries=0), clock=clock)

    def wait(self) -> float:
        """Seconds until a call would be admitted, 0 when it would be now."""
        return self.breaker.wait()

    def status(self) -> GuardStatus:
        return GuardStatus(self.name, self.breaker.status(), self.limit.running, self.limit.waiting, self.budget.tokens)

    async def call(
        self,
        fn: Callable[..., Awaitable[T] | T],
        *args: Any,
        deadline: float | None = None,
        attempt_timeout: float | None = None,
        background: bool = False,
        repeatable: bool = True,
        on_retry: OnRetry | None = None,
        **kwargs: Any,
    ) -> T:
        """Call `fn(*args, **kwargs)`.

        Args:
            fn: one attempt; async or plain. A plain one runs in the event loop and must not block it.
            *args: for `fn`.
            deadline: on the clock's `monotonic()`: no attempt begins after it, and no wait that would pass it. An
                attempt under way it does not cut off; `timeout` does, and the turn's own end.
            attempt_timeout: seconds for one attempt, where that is less than the guard's own `timeout`.
            background: nobody waits for it, so interactive calls go first.
            repeatable: whether it may be sent again at all.
            on_retry: called before each wait with the retry's number and the error.
            **kwargs: for `fn`.

        Raises:
            CircuitOpen: the breaker refused; nothing was sent.
            Unavailable: `overloaded`, too many wait already; nothing was sent.
            DeadlineExceeded: no time was left, or an attempt took longer than it may.
            InvalidConfig: `fn` is no function, but for instance a coroutine, or `deadline` is no time.
            Exception: the last attempt's own error.
        """
        if not callable(fn):
            raise not_callable(fn)
        if deadline is not None and (type(deadline) is not float or isnan(deadline)):
            _check_deadline(deadline)
        timeout = self.timeout
        if attempt_timeout is not None:
            timeout = attempt_timeout if timeout is None else min(timeout, attempt_timeout)
        call = _Call(
            self,
            fn,
            args,
            kwargs,
            deadline=deadline,
            timeout=timeout,
            background=background,
            repeatable=repeatable,
        )
        self.budget.call()
        with RetryLayer() as layer:
            try:
                return await call.attempt()
            except Exception as error:  # noqa: BLE001 - raised again, unless there is another attempt
                failed = error
            return await attempts_after(
                failed,
                call.attempt,
                self._policy,
                layer=layer,
                may_retry=call.may_retry,
                on_retry=on_retry,
                until=deadline,
                budget=self.budget,
                clock=self.clock,
                random=self._random,
                what=self.name,
            )

    async def call_or_last(
        self, key: Hashable, fn: Callable[..., Awaitable[T] | T], *args: Any, **options: Any
    ) -> Cached[T]:
        """As `call`, but where the outside fails for good, the last good answer to the same `key`, with its age.

        For what may be old, such as a search. Answers are kept in memory, 256 for each dependency, for at most a day.

        Args:
            key: what is asked, such as the words of a search.
            fn: one attempt.
            *args: for `fn`.
            **options: those of `call`, and keywords for `fn`.

        Raises:
            Exception: as `call`; an `InfraError` only when no answer is kept.
        """

        async def call() -> Any:
            return await self.call(fn, *args, **options)

        return await self._last.call(key, call, what=self.name)

    def time_over(self) -> DeadlineExceeded:
        """What a call gets that has no time left."""
        return DeadlineExceeded(f"no time is left to call {self.name}", final=True)

    async def in_time(self, call: Awaitable[T], seconds: float) -> T:
        """One attempt within the time that it has.

        Raises:
            DeadlineExceeded: it took longer, and was cancelled.
        """
        try:
            return await within(seconds, _awaited(call), clock=self.clock, what=self.name)
        finally:
            if inspect.iscoroutine(call) and inspect.getcoroutinestate(call) == inspect.CORO_CREATED:
                call.close()  # it was given up before its first step

    def judged(self, error: BaseException, permit: Permit, deadline: float | None) -> BaseException:
        """A call that is cut off says nothing of the dependency, unless it was slow and its deadline cut it off."""
        if not isinstance(error, asyncio.CancelledError) or deadline is None:
            return error
        now = self.clock.monotonic()
        ran = now - permit.since
        if now >= deadline - _AT_ONCE and ran >= self._slow_after:
            return DeadlineExceeded(f"{self.name} was given up after {ran:.0f} s")
        return error


class _Call(Generic[T]):
    """One call with its attempts."""

    __slots__ = ("_again", "_args", "_background", "_deadline", "_fn", "_guard", "_kwargs", "_last", "_timeout")

    def __init__(
        self,
        guard: Guard,
        fn: Callable[..., Awaitable[T] | T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        deadline: float | None,
        timeout: float | None,
        background: bool,
        repeatable: bool,
    ) -> None:
        self._guard = guard
        self._fn = fn
        self._args = args
        self._kwargs = kwargs
        self._deadline = deadline
        self._timeout = timeout
        self._background = background
        self._again = repeatable
        self._last: Exception | None = None

    async def attempt(self) -> T:
        guard, deadline = self._guard, self._deadline
        if deadline is not None and guard.clock.monotonic() >= deadline:
            raise guard.time_over()
        if self._last is not None:
            await self._left_alone()
        limit = guard.limit
        if not limit.take():
            if guard.breaker.wait() > 0:
                self._permit().done(asyncio.CancelledError())
            await limit.acquire(background=self._background, deadline=deadline)
        try:
            permit = self._permit()
            try:
                result = self._fn(*self._args, **self._kwargs)
                if type(result) is CoroutineType or inspect.isawaitable(result):
                    call = cast("Awaitable[T]", result)
                    value = await (call if self._timeout is None else guard.in_time(call, self._timeout))
                else:
                    value = cast("T", result)
            except BaseException as error:
                permit.done(guard.judged(error, permit, deadline))
                raise
            permit.done()
            return value
        finally:
            limit.release()

    async def _left_alone(self) -> None:
        """Others may have been told to wait longer meanwhile: a retry that the breaker refuses would be spent."""
        guard = self._guard
        wait = guard.breaker.wait()
        out_of_time = self._deadline is not None and guard.clock.monotonic() + wait >= self._deadline
        if 0 < wait <= LONGEST_HINT and not out_of_time and guard.breaker.state is CircuitState.CLOSED:
            await guard.clock.sleep(wait)

    def may_retry(self, error: Exception) -> bool:
        self._last = error
        return self._again and retryable(error)

    def _permit(self) -> Permit:
        """Leave of the breaker; when it refuses a retry, what went wrong is told and not that nothing more did."""
        try:
            permit = self._guard.breaker.acquire()
        except CircuitOpen as refusal:
            raise self._last or refusal from None
        self._again = self._again and not permit.probe
        return permit


async def _awaited(call: Awaitable[T]) -> T:
    return await call


def _check_deadline(deadline: object) -> None:
    if isinstance(deadline, bool) or not isinstance(deadline, int | float) or isnan(deadline):
        raise InvalidConfig(f"deadline is {deadline!r}", hint="seconds on the clock's monotonic()")
