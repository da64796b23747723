"""Alerts: what a person should look at now, to the log and to whoever else was named, and not twice for one cause.

`raise_alert` works anywhere and needs nothing handed in: it uses the `Alerts` of the context (`alerting`), else those
of the process (`install_alerts`), which at first only log.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeVar

import msgspec

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import InvalidConfig
from emonk.observe.courier import Courier
from emonk.observe.redaction import Redactor
from emonk.observe.trace import get_trace_id

EVERY = 600.0
"""Seconds in which one cause alerts once."""

CAUSES = 1000
"""Causes that are told apart at a time; further ones share a single one, so that a flood of them stays quiet."""

MESSAGE_LIMIT = 3000
"""Characters of a message that are kept."""

FLOOD = "other_causes"

Level = Literal["error", "critical"]
T = TypeVar("T")

_log = logging.getLogger("emonk.alerts")


class Alert(msgspec.Struct, frozen=True):
    """What happened.

    Attributes:
        cause: what makes two alerts the same one, such as an error's code and the dependency: `unavailable gemini`.
        level: `critical` when nothing works until somebody acts.
        message: for a person, with what to do.
        trace_id: of the work at hand; filled in where it is empty.
        agent: whose work it was.
        held_back: how many of this cause came since the last one and were not told.
    """

    cause: str
    level: Level
    message: str
    trace_id: str = ""
    agent: str = ""
    held_back: int = 0

    def text(self) -> str:
        """The alert as people read it."""
        lines = [f"[{self.level}] {self.agent}: {self.message}" if self.agent else f"[{self.level}] {self.message}"]
        lines.append(f"cause: {self.cause}" + (f", trace: {self.trace_id}" if self.trace_id else ""))
        if self.held_back:
            lines.append(f"{self.held_back} more of this cause were held back since the last alert")
        return "\n".join(lines)


Sink = Callable[[Alert], object]
"""Takes alerts one after the other; what it returns is awaited if it can be. What it raises is logged."""


class _Told(msgspec.Struct):
    """When a cause was last told, and how often it came since."""

    at: float
    held_back: int = 0


class Alerts:
    """Raises alerts, each cause at most once in `every` seconds.

    The log gets them at once, the sinks in the background. It may be used from any thread; sinks run in the event loop
    in which alerts are raised, and those raised where none runs wait for the next one or for `aclose`.
    """

    def __init__(
        self,
        sinks: Iterable[Sink] = (),
        *,
        every: float = EVERY,
        secrets: Iterable[str] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Alert the log, and `sinks` such as `emonk.observe.webhooks.Webhook`.

        Args:
            sinks: who else gets every alert.
            every: seconds in which one cause alerts once.
            secrets: values that no alert may show; webhooks add their own.
            clock: measures `every`, and the pace of the sinks.

        Raises:
            InvalidConfig: `every` is no positive number of seconds, or something is no sink or no secret.
        """
        self._every = check_every(every)
        sinks = _listed("sinks", sinks, callable, "functions that take an Alert")
        secrets = _listed("secrets", secrets, _is_text, "texts")
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, _Told] = {}
        self._redact = Redactor(secrets)
        self._couriers = [Courier(sink, redact=self._redact, clock=clock) for sink in sinks]
        for courier in self._couriers:
            self._redact.add(courier.secrets)

    def keep_secret(self, *secrets: str) -> None:
        """Never show these values."""
        with self._lock:
            self._redact.add(secrets)

    def raise_alert(self, alert: Alert) -> bool:
        """Tell it, unless its cause was told a short while ago; it never raises and never waits.

        Returns:
            Whether it was told now.
        """
        try:
            alert = self._clean(alert)
            with self._lock:
                told = self._due(alert.cause)
            if told is None:
                _log.debug("alert held back: %s", alert.cause)
                return False
            alert = msgspec.structs.replace(alert, held_back=told)
            level = logging.CRITICAL if alert.level == "critical" else logging.ERROR
            _log.log(level, "%s", alert.text().replace("\n", " | "))
            for courier in self._couriers:
                courier.take(alert)
        except Exception:  # noqa: BLE001 - who alerts has trouble enough
            _log.exception("an alert could not be raised")
            return False
        return True

    async def aclose(self, *, within: float = 5.0) -> None:
        """Let the sinks have what is left, for at most `within` seconds; later alerts go to the log only."""
        await asyncio.gather(*(courier.aclose(within=within) for courier in self._couriers))

    def _due(self, cause: str) -> int | None:
        """How many of the cause were held back, if it may be told now; it then counts as told."""
        now = self._clock.monotonic()
        if cause not in self._told and len(self._told) >= CAUSES:
            self._told = {known: told for known, told in self._told.items() if now - told.at < self._every}
            cause = cause if len(self._told) < CAUSES else FLOOD
        told = self._told.get(cause)
        if told is not None and now - told.at < self._every:
            told.held_back += 1
            return None
        self._told[cause] = _Told(now)
        return told.held_back if told else 0

    def _clean(self, alert: Alert) -> Alert:
        return Alert(
            cause=self._line(str(alert.cause), 200),
            level=alert.level,
            message=self._line(str(alert.message), MESSAGE_LIMIT) or "no message",
            trace_id=self._line(str(alert.trace_id or get_trace_id() or ""), 200),
            agent=self._line(str(alert.agent), 200),
        )

    def _line(self, text: str, limit: int) -> str:
        """One line without secrets and half characters; cut last, so that no part of a secret is left."""
        text = " ".join(self._redact(text).split()).encode(errors="backslashreplace").decode()
        return text if len(text) <= limit else text[: limit - 1] + "…"


def _listed(setting: str, given: Iterable[T], fits: Callable[[object], bool], what: str) -> tuple[T, ...]:
    """What was given, if it is a list: of one text each letter would be struck out, wherever it stands."""
    if isinstance(given, str) or not isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidConfig(f"{setting} is of type {type(given).__name__}", hint=f"give a list: {what}")
    listed = tuple(given)
    odd = [type(one).__name__ for one in listed if not fits(one)]
    if odd:
        raise InvalidConfig(f"{setting} holds something of type {odd[0]}", hint=what)
    return listed


def _is_text(given: object) -> bool:
    return isinstance(given, str)


def check_every(every: object) -> float:
    """Seconds in which a cause alerts once.

    Raises:
        InvalidConfig: they are no positive number.
    """
    if isinstance(every, bool) or not isinstance(every, int | float) or not 0 < every <= sys.float_info.max:
        raise InvalidConfig(f"alerts.every is {every!r}", hint="write a positive number of seconds")
    return float(every)


_of_process = Alerts()
_of_context: ContextVar[Alerts | None] = ContextVar("emonk_alerts", default=None)


def raise_alert(alert: Alert) -> bool:
    """Raise an alert with what is in force here: the context's `Alerts`, else the process's."""
    return (_of_context.get() or _of_process).raise_alert(alert)


@contextmanager
def alerting(alerts: Alerts) -> Generator[Alerts]:
    """Have `raise_alert` use `alerts` in this context and in the tasks that begin in it."""
    token = _of_context.set(alerts)
    try:
        yield alerts
    finally:
        _of_context.reset(token)


def install_alerts(alerts: Alerts | None) -> Alerts:
    """Have `raise_alert` use `alerts` in this process, or again only the log; the ones before are returned."""
    global _of_process
    before, _of_process = _of_process, alerts or Alerts()
    return before
