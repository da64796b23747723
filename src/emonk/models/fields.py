"""Fields of JSON that others wrote: the wrong type counts as absent."""

import base64
import binascii
from typing import Any, cast

MOST_TOKENS = 1 << 40
"""What larger numbers of tokens are read as: no call has so many, and every sum of them can still be kept."""

_URL_SAFE = str.maketrans("-_", "+/")


def as_object(value: Any) -> dict[str, Any]:
    """An object, or an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """An array, or an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """A string, or an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int:
    """A number of tokens: a whole number, or one in a string as proto3 JSON writes 64-bit integers; else 0.

    At most `MOST_TOKENS`.
    """
    if type(value) is int and 0 <= value <= MOST_TOKENS:  # nearly always so
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return min(int(value), MOST_TOKENS)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return min(MOST_TOKENS, value)
    return 0


def as_bytes(value: Any) -> bytes | None:
    """Bytes in base64 of either alphabet, padded or not, as proto3 JSON reads them; None when it is no base64."""
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value.translate(_URL_SAFE) + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
