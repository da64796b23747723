"""An old answer is better than none: the last good one, with its age, while the outside fails."""

import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar, cast

import msgspec

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import InfraError, InvalidConfig
from emonk.resilience.attempts import RetryPolicy, attempts, settled
from emonk.resilience.bounds import above_zero, number, whole
from emonk.resilience.breaker import not_callable
from emonk.resilience.budget import RetryBudget
from emonk.resilience.classify import retryable
from emonk.resilience.strategies import STRATEGIES

T = TypeVar("T")

_log = logging.getLogger("emonk.resilience")


class Cached(msgspec.Struct, Generic[T], frozen=True):
    """An answer; `age_seconds` is None when it was given just now."""

    value: T
    age_seconds: float | None = None


class LastGood(Generic[T]):
    """Keeps the last good answers by key, in memory, and gives them out when asking again has failed.

    Only an `InfraError` falls back, and what `classify.retryable` takes for a fault of the outside: what the model or
    a human must correct is not hidden by an old answer.
    """

    def __init__(
        self,
        *,
        policy: RetryPolicy = STRATEGIES["search"],
        keep: int = 256,
        oldest: float = 86_400.0,
        budget: RetryBudget | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = random.random,
    ) -> None:
        """Begin without answers.

        Args:
            policy: how often to ask again before falling back.
            keep: answers that are kept; the one that was stored longest ago goes first.
            oldest: seconds after which an answer is no longer given out.
            budget: of retries, shared with other calls of the same dependency.
            clock: measures the age, and sleeps between retries.
            random: gives the jitter, from 0 to below 1.

        Raises:
            InvalidConfig: nothing would be kept.
        """
        self._policy = policy
        self._keep = whole("keep", keep, least=1)
        self._oldest = above_zero("oldest", oldest)
        self._budget = budget
        self._clock = clock
        self._random = random
        self._answers: OrderedDict[Hashable, tuple[T, float]] = OrderedDict()

    async def call(
        self,
        key: Hashable,
        fn: Callable[[], Awaitable[T] | T],
        *,
        deadline: float | None = None,
        what: str = "the call",
    ) -> Cached[T]:
        """Ask, again where the policy says so, and fall back on the last good answer to the same key.

        Args:
            key: what was asked, such as the words of a search.
            fn: asks once; async or plain. A plain one runs in the event loop and must not block it.
            deadline: seconds for all attempts.
            what: names the call in messages.

        Raises:
            InvalidConfig: the key cannot be one, `fn` is no function, or the deadline no time; nothing was asked.
            InfraError: asking failed, and no answer is kept that is young enough.
            Exception: whatever else asking raised.
        """
        if not callable(fn):
            raise not_callable(fn)
        _check_key(key)
        seconds = None if deadline is None else number("deadline", deadline)

        async def ask() -> T:
            return cast("T", await settled(fn()))

        try:
            value = await attempts(
                ask,
                self._policy,
                deadline=seconds,
                budget=self._budget,
                clock=self._clock,
                random=self._random,
                what=what,
            )
        except Exception as error:
            if not (isinstance(error, InfraError) or retryable(error)):
                raise
            kept = self._kept(key)
            if kept is None:
                raise
            _log.warning("%s failed: %s; using the answer of %.0f s ago", what, error, kept.age_seconds)
            return kept
        self._store(key, value)
        return Cached(value)

    def _kept(self, key: Hashable) -> Cached[T] | None:
        if key not in self._answers:
            return None
        value, since = self._answers[key]
        age = self._clock.monotonic() - since
        return Cached(value, age) if age <= self._oldest else None

    def _store(self, key: Hashable, value: T) -> None:
        self._answers[key] = (value, self._clock.monotonic())
        self._answers.move_to_end(key)
        while len(self._answers) > self._keep:
            self._answers.popitem(last=False)


def _check_key(key: object) -> None:
    try:
        hash(key)
    except TypeError:
        raise InvalidConfig(f"key is {key!r}", hint="something that can be a key, such as a text or a tuple") from None
