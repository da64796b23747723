"""Tokens, money and time as a terminal shows them."""

from datetime import UTC, datetime
from decimal import Decimal

from emonk.clock import MICROSECONDS
from emonk.records import Usage

_LEAST = Decimal("0.000001")
_MINUTE = 60


def usd(cost: Decimal | None) -> str:
    """An amount in US dollars to six places; unknown is never shown as 0."""
    if cost is None:
        return "cost unknown"
    if 0 < cost < _LEAST:
        return f"below {_LEAST:f} USD"
    whole, _, places = f"{cost:.6f}".partition(".")
    places = places.rstrip("0")
    return f"{whole}.{places:0<2} USD" if places else f"{whole} USD"


def tokens(usage: Usage) -> str:
    """Tokens in and out, and how many of them were cached or thought."""
    cached = f" ({usage.cached_input_tokens:,} cached)" if usage.cached_input_tokens else ""
    thought = f" ({usage.reasoning_tokens:,} thinking)" if usage.reasoning_tokens else ""
    return f"{usage.input_tokens:,}{cached} tokens in, {usage.output_tokens:,}{thought} out"


def counted(number: int, one: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def span(microseconds: int) -> str:
    """How long something took."""
    seconds = microseconds / MICROSECONDS
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), _MINUTE)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def when(microseconds: int) -> str:
    """A time as a reader here would say it."""
    return _local(microseconds).strftime("%Y-%m-%d %H:%M")


def when_exactly(microseconds: int) -> str:
    """The same to the second."""
    return _local(microseconds).strftime("%Y-%m-%d %H:%M:%S")


def _local(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / MICROSECONDS, UTC).astimezone()
