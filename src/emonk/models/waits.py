"""How long a provider asks to wait, from its headers and its own words. What cannot be read asks for nothing."""

import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from emonk.models.http import LONGEST_WAIT, retry_after

HOURS = 3600.0
"""A server that asks to wait this many seconds or more has no quota left for this turn."""

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|[dhms])")
_SPANS = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[dhms]))+")
_TRY_AGAIN = re.compile(
    r"(?i)(?:try again|retry) (?:after|in) "
    rf"(?:(?P<span>{_SPANS.pattern})\b|(?P<seconds>\d{{1,9}}(?:\.\d{{1,9}})?) ?sec)"
)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?")
_MILLISECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_EPOCH = 1_000_000_000.0  # what is larger is no wait but an instant, in seconds since 1970
_EPOCH_MS = 1_000_000_000_000.0  # or in milliseconds


def header_wait(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds that `retry-after-ms` asks for, else `Retry-After`.

    The first is more exact and not in any standard: `_parse_retry_after_header` of openai-python.
    """
    exact = headers.get("retry-after-ms", "").strip()
    if _MILLISECONDS.fullmatch(exact):
        return min(float(exact) / 1000, LONGEST_WAIT)
    return retry_after(headers, now=now)


def reset_wait(headers: Mapping[str, str], limits: Iterable[tuple[str, str]], *, now: float) -> float | None:
    """Seconds until the limits that are used up are whole again.

    When none says that it is used up, the one that takes longest counts, but not one of hours: that is another one.

    Args:
        headers: of the answer.
        limits: the names of the headers that hold what is left of a limit, and when it is whole again.
        now: seconds since 1970.
    """
    told = [(headers.get(left, ""), until(headers.get(reset, ""), now=now)) for left, reset in limits]
    known = [(left.strip(), wait) for left, wait in told if wait is not None]
    used_up = [wait for left, wait in known if left == "0"]
    return max(used_up or [wait for _, wait in known if wait < HOURS], default=None)


def until(text: str, *, now: float) -> float | None:
    """Seconds in a span such as `6m0s`, or until an instant: RFC 3339, seconds or milliseconds since 1970."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number < _EPOCH:
            return number
        return max(0.0, (number / 1000 if number >= _EPOCH_MS else number) - now)
    return span(text) if _SPANS.fullmatch(text) else _until_date(text, now)


def span(text: str) -> float:
    """Seconds in a span such as `1h2m3.5s`."""
    return sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(text))


def said_wait(message: str) -> float | None:
    """Seconds that a message asks for: "Please try again in 6m0s", "retry after 60 seconds"."""
    match = _TRY_AGAIN.search(message)
    if match is None:
        return None
    return span(match["span"].lower()) if match["span"] else float(match["seconds"])


def now_or(now: float | None) -> float:
    """The wall clock, unless the time is given."""
    return time.time() if now is None else now


def _until_date(text: str, now: float) -> float | None:
    if not 10 <= len(text) <= 40:
        return None
    try:
        instant = datetime.fromisoformat(text)
        return max(0.0, instant.timestamp() - now) if instant.tzinfo else None
    except (ValueError, OverflowError):
        return None
