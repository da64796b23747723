"""Settings, most of them numbers: what cannot be used is refused with the setting's name, before anything runs."""

from collections.abc import Callable
from math import isfinite
from typing import TypeGuard, cast

from emonk.clock import Clock
from emonk.errors import InvalidConfig


def whole(setting: str, value: object, *, least: int = 0) -> int:
    """A count.

    Raises:
        InvalidConfig: it is no whole number, or below the least.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidConfig(f"{setting} is {value!r}", hint=f"a whole number, {least} or more")
    return value


def number(setting: str, value: object, *, least: float = 0.0, most: float | None = None) -> float:
    """A finite number, such as seconds or a share.

    Raises:
        InvalidConfig: it is no number, not finite, below the least or above the most.
    """
    if not _finite(value) or value < least or (most is not None and value > most):
        bounds = f"{least:g} or more" if most is None else f"from {least:g} to {most:g}"
        raise InvalidConfig(f"{setting} is {value!r}", hint=f"a number, {bounds}")
    return float(value)


def above_zero(setting: str, value: object) -> float:
    """A finite number that is not zero, such as the seconds of a limit.

    Raises:
        InvalidConfig: it is no number, not finite, zero or below.
    """
    if not _finite(value) or value <= 0:
        raise InvalidConfig(f"{setting} is {value!r}", hint="a number above zero")
    return float(value)


def flag(setting: str, value: object) -> bool:
    """True or false.

    Raises:
        InvalidConfig: it is neither.
    """
    if not isinstance(value, bool):
        raise InvalidConfig(f"{setting} is {value!r}", hint="true or false")
    return value


def clock_of(setting: str, value: object) -> Clock:
    """What tells the time, by its three methods.

    Raises:
        InvalidConfig: it is no clock.
    """
    if not all(callable(getattr(value, method, None)) for method in ("monotonic", "time", "sleep")):
        raise InvalidConfig(f"{setting} is {value!r}", hint="a Clock, such as emonk.clock.SYSTEM_CLOCK")
    return cast("Clock", value)


def chance_of(setting: str, value: object) -> Callable[[], float]:
    """What gives random numbers.

    Raises:
        InvalidConfig: it cannot be called.
    """
    if not callable(value):
        raise InvalidConfig(f"{setting} is {value!r}", hint="a function that gives numbers from 0 to below 1")
    return cast("Callable[[], float]", value)


def _finite(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an int that no float can hold
        return False
