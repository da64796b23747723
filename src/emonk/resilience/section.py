"""How an agent's file tunes what stands between it and a world that fails: `agent.resilience`."""

from typing import Literal, NamedTuple

import msgspec

from emonk.errors import InvalidConfig
from emonk.resilience.attempts import RetryPolicy
from emonk.resilience.bounds import above_zero, number
from emonk.resilience.breaker import CircuitBreaker
from emonk.resilience.limit import ConcurrencyLimit
from emonk.resilience.strategies import STRATEGIES

Component = Literal["models", "skills", "search", "api", "schedules"]
"""The kinds of dependencies, each with settings of its own."""


class Places(NamedTuple):
    """How many calls are under way at once, and how many wait."""

    at_once: int = 16
    queue: int = 256


PLACES: dict[Component, Places] = {"models": Places(256, 1024)}
"""Where they are not the usual ones: a model's calls mostly wait for the other side."""


def _check_section(setting: str, value: object, kind: type[msgspec.Struct]) -> None:
    """What a file gives has its type already, and what a program gives has not."""
    if not isinstance(value, kind):
        raise InvalidConfig(f"{setting} is {value!r}", hint=f"write {setting}={kind.__name__}(...)")


class BreakerSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a `CircuitBreaker`; see there.

    Raises:
        InvalidConfig: one that makes no sense.
    """

    failure_rate: float = 0.5
    slow_rate: float = 0.8
    slow_after: float | None = 30.0
    window: float = 60.0
    min_calls: int = 10
    open_for: float = 30.0
    max_open_for: float = 300.0
    half_open_permits: int = 3
    half_open_timeout: float = 60.0

    def __post_init__(self) -> None:
        CircuitBreaker("check", **msgspec.structs.asdict(self))


class ComponentSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What applies to each dependency of one kind; None leaves it as it is for that kind.

    Attributes:
        retries: how often a call is sent again; 0 switches retries off.
        first_delay: seconds before the first retry; each later one waits twice as long.
        max_delay: seconds that no wait exceeds, unless the server asks for more.
        jitter: wait a random part of that time, so that many callers do not come back together.
        timeout: seconds for one attempt; None leaves it to the turn's deadline.
        at_once: calls under way at a time.
        queue: calls that wait for one of those; beyond, they are refused at once.

    Raises:
        InvalidConfig: a value that makes no sense.
    """

    retries: int | None = None
    first_delay: float | None = None
    max_delay: float = 60.0
    jitter: bool = True
    timeout: float | None = None
    at_once: int | None = None
    queue: int | None = None
    breaker: BreakerSection | None = None

    def __post_init__(self) -> None:
        number("first_delay", self.first_delay or 0.0)
        number("max_delay", self.max_delay)
        self.policy("models")
        places = self.places("models")
        ConcurrencyLimit("check", at_once=places.at_once, queue=places.queue)
        if self.timeout is not None:
            above_zero("timeout", self.timeout)
        if self.breaker is not None:
            _check_section("breaker", self.breaker, BreakerSection)

    def policy(self, component: Component) -> RetryPolicy:
        """The retries of a dependency of that kind."""
        default = STRATEGIES[component]
        return RetryPolicy(
            retries=default.retries if self.retries is None else self.retries,
            first=default.first if self.first_delay is None else self.first_delay,
            longest=self.max_delay,
            jitter=self.jitter,
        )

    def circuit(self, component: Component) -> BreakerSection:
        """The breaker of a dependency of that kind; a tool may take its time, and is not slow for that."""
        return self.breaker or BreakerSection(slow_after=None if component == "skills" else 30.0)

    def places(self, component: Component) -> Places:
        """The limit of a dependency of that kind."""
        usual = PLACES.get(component, Places())
        return Places(
            usual.at_once if self.at_once is None else self.at_once,
            usual.queue if self.queue is None else self.queue,
        )


class ResilienceSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of each kind of dependency.

    Raises:
        InvalidConfig: those of a kind are no `ComponentSection`.
    """

    models: ComponentSection = ComponentSection()
    skills: ComponentSection = ComponentSection()
    search: ComponentSection = ComponentSection()
    api: ComponentSection = ComponentSection()
    schedules: ComponentSection = ComponentSection()

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            _check_section(name, getattr(self, name), ComponentSection)

    def of(self, component: Component) -> ComponentSection:
        section: ComponentSection = getattr(self, component)
        return section
