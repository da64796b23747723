"""The guards of an agent: one for each dependency, made when it is first called."""

import logging
import random as chance
from collections.abc import Callable
from math import inf
from typing import get_args

import msgspec

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import InvalidConfig
from emonk.resilience.breaker import CircuitBreaker
from emonk.resilience.breaker_events import BreakerEvent
from emonk.resilience.budget import RetryBudget
from emonk.resilience.guard import Guard, GuardStatus
from emonk.resilience.limit import ConcurrencyLimit
from emonk.resilience.section import Component, ResilienceSection

MANY = 1000
"""Guards kept of those whose names tools make up, perhaps from what a model or a user says."""

_log = logging.getLogger("emonk.resilience")


class Guards:
    """Makes guards by kind and name, and knows which dependency is available.

    A dependency is one provider, location and model, one tool, one platform: what fails together.

    Attributes:
        section: the settings of each kind.
    """

    def __init__(
        self,
        section: ResilienceSection | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = chance.random,
        on_event: Callable[[BreakerEvent], object] | None = None,
    ) -> None:
        """Begin without any.

        Args:
            section: the settings of each kind.
            clock: measures everything.
            random: gives the jitter, from 0 to below 1.
            on_event: a plain function that is told what the breakers do, beside the log.

        Raises:
            InvalidConfig: the settings are of another type.
        """
        self.section = ResilienceSection() if section is None else section
        if not isinstance(self.section, ResilienceSection):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidConfig(f"resilience is {section!r}", hint="write resilience=ResilienceSection(...)")
        self._clock = clock
        self._random = random
        self._on_event = on_event
        self._guards: dict[tuple[Component, str], Guard] = {}
        self._passing: dict[tuple[Component, str], None] = {}  # the one that was used longest ago comes first

    def of(self, component: Component, name: str) -> Guard:
        """The guard of a dependency, kept as long as this is.

        Raises:
            InvalidConfig: there is no such kind of component, or the name is no text.
        """
        guard = self._known(component, name)
        if self._passing:
            self._passing.pop((component, name), None)
        return guard

    def passing(self, component: Component, name: str) -> Guard:
        """The guard of a dependency that a tool names.

        Of `MANY` such guards, the one that was used longest ago and is not at work is forgotten, open or not.

        Raises:
            InvalidConfig: as `of` does.
        """
        before = len(self._guards)
        guard = self._known(component, name)
        key = (component, name)
        if len(self._guards) > before or key in self._passing:
            self._passing.pop(key, None)
            self._passing[key] = None
        if len(self._passing) > MANY:
            self._forget_one()
        return guard

    def wait(self, component: Component, name: str) -> float:
        """Seconds until a dependency would be called, 0 when it would be now; one that was never called would."""
        guard = self._guards.get((component, name))
        return 0.0 if guard is None else guard.wait()

    def status(self) -> list[GuardStatus]:
        """All guards that were used so far, by name."""
        return sorted((guard.status() for guard in self._guards.values()), key=lambda status: status.name)

    def _known(self, component: Component, name: str) -> Guard:
        try:
            guard = self._guards.get((component, name))
        except TypeError:  # a list, for instance
            guard = None
        if guard is None:
            _check(component, name)
            guard = self._guards[component, name] = self._make(component, name)
        return guard

    def _forget_one(self) -> None:
        for key in tuple(self._passing):
            limit = self._guards[key].limit
            if not (limit.running or limit.waiting):
                del self._passing[key], self._guards[key]
                return

    def _make(self, component: Component, name: str) -> Guard:
        section = self.section.of(component)
        circuit = section.circuit(component)
        settings = msgspec.structs.asdict(circuit)
        breaker = CircuitBreaker(name, **settings, clock=self._clock, random=self._random)
        places = section.places(component)
        breaker.subscribe(_report)
        if self._on_event is not None:
            breaker.subscribe(self._on_event)
        return Guard(
            name,
            policy=section.policy(component),
            breaker=breaker,
            limit=ConcurrencyLimit(name, at_once=places.at_once, queue=places.queue, clock=self._clock),
            budget=RetryBudget(clock=self._clock),
            timeout=section.timeout,
            slow_after=inf if circuit.slow_after is None else circuit.slow_after,
            clock=self._clock,
            random=self._random,
        )


def _check(component: object, name: object) -> None:
    known = get_args(Component)
    if component not in known:
        raise InvalidConfig(f"component is {component!r}", hint=f"one of {', '.join(known)}")
    if not (isinstance(name, str) and name):
        raise InvalidConfig(f"name is {name!r}", hint="a text that says which dependency is guarded")


def _report(event: BreakerEvent) -> None:
    match event.kind:
        case "state":
            said = f"until {event.wait:.0f} s from now" if event.wait else "now"
            _log.warning("circuit of %s is %s %s: %s", event.name, event.state.value, said, event.reason)
        case "cool_down":
            _log.warning("%s is left alone for %.0f s: %s", event.name, event.wait, event.reason)
        case "refused":
            _log.debug("a call of %s was refused: %s", event.name, event.reason)
