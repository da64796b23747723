"""How many retries a dependency is sent in all: enough for a few faults, next to none while everything fails."""

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.resilience.bounds import number


class RetryBudget:
    """A bucket of tokens, one for each retry, shared by all callers of a dependency.

    Each call puts in a part of a token, so that retries stay a fixed share of the calls: with the defaults a long
    outage costs 1.1 requests per request wanted. The full bucket at the beginning and the slow refill are for
    those who call seldom. (Finagle's retry budget, the same rule: 20 % and 10 per second there.)
    """

    def __init__(
        self, *, ratio: float = 0.1, burst: float = 10.0, per_minute: float = 1.0, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Begin with a full bucket.

        Args:
            ratio: tokens that each call puts in.
            burst: tokens that the bucket holds.
            per_minute: tokens that come by themselves.
            clock: measures the minutes.

        Raises:
            InvalidConfig: a ratio that is not from 0 to 1, a burst below 1, a negative refill.
        """
        self._ratio = number("ratio", ratio, most=1.0)
        self._burst = number("burst", burst, least=1.0)
        self._per_second = number("per_minute", per_minute) / 60.0
        self._clock = clock
        self._tokens = self._burst
        self._filled = clock.monotonic()

    @property
    def tokens(self) -> float:
        """How many retries are left now, with the fraction of the next."""
        self._refill()
        return self._tokens

    def call(self) -> None:
        """Note a first request; it needs no token."""
        tokens = self._tokens + self._ratio
        self._tokens = min(self._burst, tokens)

    def take(self) -> bool:
        """Take the token for one retry; False when there is none, and the retry must not be sent."""
        self._refill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _refill(self) -> None:
        now = self._clock.monotonic()
        passed = max(0.0, now - self._filled)
        self._filled = now
        self._tokens = min(self._burst, self._tokens + passed * self._per_second)
