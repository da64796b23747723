"""`reasoning_details` of OpenRouter: how pieces of a stream become one, and what they say.

https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning.
"""

from collections.abc import Sequence
from typing import Any

from emonk.models.fields import as_object, as_text

_JOINED = ("text", "summary", "data")


def join_details(details: Sequence[Any]) -> list[dict[str, Any]]:
    """Details with neighbouring pieces of one kind and index made one, as they are to be sent back."""
    joined: list[dict[str, Any]] = []
    for piece in map(as_object, details):
        last = joined[-1] if joined else None
        if last is None or (last.get("type"), last.get("index")) != (piece.get("type"), piece.get("index")):
            if piece:
                joined.append(dict(piece))
            continue
        for field, value in piece.items():
            if field in _JOINED and isinstance(value, str):
                last[field] = as_text(last.get(field)) + value
            elif value is not None:
                last[field] = value
    return joined


def told_by(details: Sequence[Any]) -> str:
    """What can be read of them."""
    found = map(as_object, details)
    return "".join([as_text(each.get("text")) or as_text(each.get("summary")) for each in found])
