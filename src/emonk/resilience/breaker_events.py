"""What a circuit breaker tells those who watch it."""

import inspect
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Literal

import msgspec

from emonk.errors import InvalidConfig

_log = logging.getLogger("emonk.resilience")


class CircuitState(StrEnum):
    """Closed lets calls through, open refuses them, half open lets a few through to find out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerEvent(msgspec.Struct, frozen=True):
    """Something that happened to a breaker.

    Attributes:
        name: the breaker's.
        kind: `state` for a change or a new start by hand, `refused` for a call that was not let through, `cool_down`
            for time that a server asked for.
        before: the state until then.
        state: the state now; the same as `before` unless it changed.
        wait: seconds until a call would be admitted.
        reason: one line for a reader.
        at: when it was noticed, in UTC microseconds. What time alone changes is noticed when the breaker is next used.
    """

    name: str
    kind: Literal["state", "refused", "cool_down"]
    before: CircuitState
    state: CircuitState
    wait: float
    reason: str
    at: int


class BreakerStatus(msgspec.Struct, frozen=True):
    """A breaker as it is now.

    Attributes:
        name: the breaker's.
        state: as `CircuitBreaker.state` reads.
        calls: how many were recorded in the window; half open, how many probes have come back.
        failures: how many of them failed.
        slow: how many of them were slow.
        wait: seconds until a call would be admitted.
        out: calls that were let through and have not ended.
    """

    name: str
    state: CircuitState
    calls: int
    failures: int
    slow: int
    wait: float
    out: int = 0


Listener = Callable[[BreakerEvent], object]


class Listeners:
    """Those who watch. What one of them raises is logged and reaches neither the others nor the call."""

    def __init__(self) -> None:
        self._listeners: dict[object, Listener] = {}

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Listener) -> Callable[[], None]:
        """Tell this one from now on, until the function that is returned is called.

        Raises:
            InvalidConfig: it is no plain function; nobody would await a coroutine.
        """
        if not callable(listener) or inspect.iscoroutinefunction(listener):
            raise InvalidConfig(f"a breaker's listener is {listener!r}", hint="a plain function, not a coroutine's")
        key = object()  # the same listener may come twice, and leave once
        self._listeners[key] = listener

        def remove() -> None:
            self._listeners.pop(key, None)

        return remove

    def tell(self, event: BreakerEvent) -> None:
        for listener in tuple(self._listeners.values()):
            try:
                returned = listener(event)
            except Exception:  # noqa: BLE001 - logged; who watches must not break the call that is watched
                _log.exception("a listener of circuit breaker %s failed", event.name)
                continue
            if inspect.iscoroutine(returned):
                returned.close()
                _log.error("a listener of circuit breaker %s returned a coroutine, which nobody awaits", event.name)
