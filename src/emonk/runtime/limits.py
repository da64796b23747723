"""How far a turn may go."""

from decimal import Decimal

import msgspec

from emonk.errors import InvalidConfig
from emonk.resilience.bounds import above_zero, whole

REPEATED_FAILURES = 3
"""Equal failures that end a turn."""

FAILURES = 10
"""Failures of any kind that end a turn."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a turn ends with status `limit`.

    Attributes:
        steps: model calls.
        seconds: from the start of the turn to its reply.
        usd: dollars spent on model calls; None is no limit.

    Raises:
        InvalidConfig: a limit that is no number above zero.
    """

    steps: int = 24
    seconds: float = 300.0
    usd: Decimal | None = None

    def __post_init__(self) -> None:
        whole("limits.steps", self.steps, least=1)
        above_zero("limits.seconds", self.seconds)
        if isinstance(self.usd, Decimal):
            if not (self.usd.is_finite() and self.usd > 0):
                raise InvalidConfig(f"limits.usd is {self.usd}", hint="a number above zero")
        elif self.usd is not None:
            number: object = self.usd
            msgspec.structs.force_setattr(self, "usd", Decimal(repr(above_zero("limits.usd", number))))
