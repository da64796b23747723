"""How far a turn may go."""

from decimal import Decimal
from math import isfinite

import msgspec

from emonk.errors import InvalidConfig

REPEATED_FAILURES = 3
"""Equal failures that end a turn."""

FAILURES = 10
"""Failures of any kind that end a turn."""

STRUGGLING = 2
"""Failures of the worker's own making after which the lead takes over."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a turn ends with status `limit`.

    Attributes:
        steps: model calls.
        seconds: from the start of the turn to its reply.
        usd: dollars spent on model calls; None is no limit.

    Raises:
        InvalidConfig: a limit that is not above zero.
    """

    steps: int = 24
    seconds: float = 300.0
    usd: Decimal | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "seconds", "usd"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value > 0):
                raise InvalidConfig(f"limits.{name} is {value}", hint="a limit is above zero")
