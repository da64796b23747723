"""Sending a request again after a fault: how often, after how long, and when not."""

import inspect
import itertools
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import DeadlineExceeded
from emonk.resilience.bounds import flag, number, whole
from emonk.resilience.budget import RetryBudget
from emonk.resilience.classify import hint_of, retryable
from emonk.resilience.deadline import within
from emonk.resilience.layer import RetryLayer

LONGEST_HINT = 3600.0
"""Seconds. Who is asked to wait longer does not wait at all: the error says it at once."""

T = TypeVar("T")
OnRetry = Callable[[int, Exception], object]
MayRetry = Callable[[Exception], object]

_log = logging.getLogger("emonk.resilience")


class RetryPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a failed call is tried again, and after how long.

    Attributes:
        retries: tries after the first; 3 means up to 4 calls.
        first: seconds before the first retry.
        factor: by which each wait is longer than the one before.
        longest: seconds that no wait exceeds, unless the other side asks for more.
        jitter: waits a random part of that time (full jitter), so that callers who failed together do not
            come back together.

    Raises:
        InvalidConfig: a value that is negative, not finite or of another type, or a factor below 1.
    """

    retries: int = 3
    first: float = 1.0
    factor: float = 2.0
    longest: float = 60.0
    jitter: bool = True

    def __post_init__(self) -> None:
        whole("retries", self.retries)
        number("first", self.first)
        number("factor", self.factor, least=1.0)
        number("longest", self.longest)
        flag("jitter", self.jitter)

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait before a retry; `attempt` 1 is the first, `chance` a random number from 0 to below 1."""
        try:
            full = min(self.longest, self.first * self.factor ** (attempt - 1))
        except OverflowError:
            full = self.longest if self.first else 0.0
        return full * chance if self.jitter else full


async def attempts(
    call: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    *,
    may_retry: MayRetry = retryable,
    before_attempt: Callable[[int], object] | None = None,
    on_retry: OnRetry | None = None,
    deadline: float | None = None,
    until: float | None = None,
    budget: RetryBudget | None = None,
    clock: Clock = SYSTEM_CLOCK,
    random: Callable[[], float] = random.random,
    what: str = "the call",
) -> T:
    """The one loop of all retries: call until it succeeds, or trying again is useless or not allowed.

    Args:
        call: begins one attempt.
        policy: how often and after how long. What `hint_of` finds on the error is a floor under the wait.
        may_retry: whether to try again after this error; plain or async.
        before_attempt: called with the attempt's number from 1 on; what it raises is this attempt's failure.
        on_retry: called before the wait with the retry's number from 1 on and the error; what it raises is logged.
        deadline: seconds for everything, the last call included; a call that still runs then is cancelled.
        until: on the clock's `monotonic()`: a wait that would pass it is not begun. It cancels nothing, for callers
            that see to the deadline of each call themselves.
        budget: is noted the call, and asked before each retry.
        clock: measures the seconds and sleeps.
        random: gives the jitter, from 0 to below 1.
        what: names the call in messages.

    Raises:
        DeadlineExceeded: the deadline passed during an attempt; its cause is the last error.
        Exception: the last attempt's own error, with a note of how many there were and why there are no more. A wait
            that would pass the deadline is not begun, and one of more than `LONGEST_HINT` neither.
    """
    run = _Run(
        call,
        policy,
        may_retry=may_retry,
        before_attempt=before_attempt,
        on_retry=on_retry,
        budget=budget,
        clock=clock,
        random=random,
        what=what,
    )
    run.until = until
    if deadline is not None:
        run.seconds = deadline
        run.cut_off = clock.monotonic() + deadline
        run.until = run.cut_off if until is None else min(run.cut_off, until)
    return await run.until_over()


async def attempts_after(
    error: Exception,
    call: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    *,
    layer: RetryLayer,
    may_retry: MayRetry,
    on_retry: OnRetry | None,
    until: float | None,
    budget: RetryBudget,
    clock: Clock,
    random: Callable[[], float],
    what: str,
) -> T:
    """The same loop, for who has made the first attempt within `layer` and noted it in `budget`; see `attempts`."""
    run = _Run(
        call,
        policy,
        may_retry=may_retry,
        before_attempt=None,
        on_retry=on_retry,
        budget=budget,
        clock=clock,
        random=random,
        what=what,
        layer=layer,
    )
    run.until = until
    return await run.go_on(error)


class _Run(Generic[T]):
    """One call with all its attempts.

    Attributes:
        last: the error of the last attempt that failed.
        until: when there is no time left to wait, on the clock's `monotonic()`.
        cut_off: when an attempt under way is cancelled, on the same clock; `seconds` after the beginning.
    """

    def __init__(
        self,
        call: Callable[[], Awaitable[T]],
        policy: RetryPolicy,
        *,
        may_retry: MayRetry,
        before_attempt: Callable[[int], object] | None,
        on_retry: OnRetry | None,
        budget: RetryBudget | None,
        clock: Clock,
        random: Callable[[], float],
        what: str,
        layer: RetryLayer | None = None,
    ) -> None:
        self._call = call
        self._policy = policy
        self._may_retry = may_retry
        self._before_attempt = before_attempt
        self._on_retry = on_retry
        self._budget = budget
        self._clock = clock
        self._random = random
        self._what = what
        self._layer = layer or RetryLayer()
        self._number = 0
        self.last: Exception | None = None
        self.until: float | None = None
        self.cut_off: float | None = None
        self.seconds = 0.0

    async def until_over(self) -> T:
        if self._budget is not None:
            self._budget.call()
        with self._layer:
            return await self.go_on(None)

    async def go_on(self, error: Exception | None) -> T:
        """Make the first attempt and what follows, or only what follows the error that the first one ended with."""
        for self._number in itertools.count(1):
            if error is None:
                try:
                    return await self._attempt()
                except Exception as failed:  # noqa: BLE001 - raised below, unless there is another attempt
                    error = failed
            self.last = error
            wait = await self._wait_after(error)
            if isinstance(wait, str):
                note_attempts(error, self._number, wait)
                raise error
            await self._tell(error, wait)
            await self._clock.sleep(wait)
            error = None
        raise AssertionError  # the loop has no end

    async def _attempt(self) -> T:
        if self._before_attempt is not None:
            await settled(self._before_attempt(self._number))
        if self.cut_off is None:
            return await self._call()
        left = max(0.0, self.cut_off - self._clock.monotonic())
        try:
            return await within(left, _awaited(self._call), clock=self._clock, what=self._what)
        except DeadlineExceeded as error:
            if not self._out_of_time:
                raise
            raise DeadlineExceeded(f"{self._what} took longer than {self.seconds:g} s") from self.last or error

    async def _wait_after(self, error: Exception) -> float | str:
        """Seconds to wait before the next attempt, or why there is none."""
        mine = await _judged(self._may_retry, error)
        verdict = self._verdict(error) if mine else "this error is not retried"
        retried = self._policy.retries and (mine or self._number > 1)
        if isinstance(verdict, str) and (retried or self._layer.inner_gave_up):
            self._layer.give_up()
        return verdict

    @property
    def _out_of_time(self) -> bool:
        return self.cut_off is not None and self._clock.monotonic() >= self.cut_off

    def _verdict(self, error: Exception) -> float | str:
        if self._out_of_time:
            return "the time was over"
        if self._layer.cancelled:
            return "the task was cancelled"
        if self._layer.inner_gave_up:
            return "a retry within it gave up"
        if self._number > self._policy.retries:
            return "no retries are left"
        chance = self._random()
        wait = wait_before(self._number, error, self._policy, chance=chance, clock=self._clock, until=self.until)
        if not isinstance(wait, str) and self._budget is not None and not self._budget.take():
            return "the retry budget is spent"
        return wait

    async def _tell(self, error: Exception, wait: float) -> None:
        number = self._number
        _log.info("%s failed: %s; retry %d of %d in %.3g s", self._what, error, number, self._policy.retries, wait)
        if self._on_retry is None:
            return
        try:
            await settled(self._on_retry(number, error))
        except Exception:  # noqa: BLE001 - logged; a hook is no reason to fail
            _log.exception("on_retry of %s raised", self._what)


def wait_before(
    retry: int, error: Exception, policy: RetryPolicy, *, chance: float, clock: Clock, until: float | None
) -> float | str:
    """Seconds to wait before a retry (1 is the first), or why to wait makes no sense."""
    hint = hint_of(error) or 0.0
    if hint > LONGEST_HINT:
        return f"the other side asks to wait {hint:g} s"
    wait = max(hint, policy.delay(retry, chance))
    if until is not None and clock.monotonic() + wait >= until:
        return f"a wait of {wait:.3g} s would pass the deadline"
    return wait


def note_attempts(error: BaseException, number: int, reason: str) -> None:
    """Note on an error how many attempts there were and why there are no more."""
    note = f"{number} attempt{'s' if number > 1 else ''}: {reason}"
    if note not in getattr(error, "__notes__", ()):
        with suppress(Exception):  # an exception that lets nothing be added to it
            error.add_note(note)


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


async def settled(result: object) -> object:
    """What a function returned that may be plain or async."""
    return await result if inspect.isawaitable(result) else result


async def _judged(may_retry: MayRetry, error: Exception) -> bool:
    try:
        return bool(await settled(may_retry(error)))
    except Exception:  # noqa: BLE001 - logged; what cannot be judged is not sent again
        _log.exception("it cannot be told whether %r may be retried", error)
        return False
