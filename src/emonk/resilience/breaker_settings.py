"""The numbers of a circuit breaker, refused where they make no sense."""

from math import inf

import msgspec

from emonk.errors import InvalidConfig
from emonk.resilience.bounds import above_zero, number, whole

_SHORTEST_WINDOW = 0.001


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `CircuitBreaker` takes as keywords; see there. `slow_after` is infinite when slowness does not count.

    Raises:
        InvalidConfig: a setting that makes no sense, by its name.
    """

    failure_rate: float
    slow_rate: float
    slow_after: float
    window: float
    min_calls: int
    open_for: float
    max_open_for: float
    half_open_permits: int
    half_open_timeout: float
    jitter: float

    def __post_init__(self) -> None:
        for setting in ("failure_rate", "slow_rate"):
            number(setting, above_zero(setting, getattr(self, setting)), most=1.0)
        if self.slow_after != inf:
            above_zero("slow_after", self.slow_after)
        number("window", self.window, least=_SHORTEST_WINDOW)
        whole("min_calls", self.min_calls, least=1)
        above_zero("open_for", self.open_for)
        if above_zero("max_open_for", self.max_open_for) < self.open_for:
            raise InvalidConfig(f"max_open_for is {self.max_open_for!r}", hint=f"open_for or more: {self.open_for:g}")
        whole("half_open_permits", self.half_open_permits, least=1)
        above_zero("half_open_timeout", self.half_open_timeout)
        number("jitter", self.jitter, most=1.0)
