"""The `prices` section of agent.yaml: what an agent pays where that is not what `genai-prices` says."""

import math
from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec

from emonk.costs.rates import Rates
from emonk.errors import InvalidConfig
from emonk.models.specs import PRICED_AS

SOURCE = "agent.yaml"

Usd = Annotated[float, msgspec.Meta(ge=0)]
"""US dollars per million tokens."""


class PriceOverride(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The price of a model, in USD per million tokens.

    Attributes:
        model: a model string; a name that ends in `*` means all that begin so, as in `openai:*`.
        input: tokens of the prompt; those of the cache too where they have no price of their own.
        output: tokens of the answer, with its reasoning.
        since: the first day (UTC) on which it counts, `from` in the file; None for always.
    """

    model: str
    input: Usd
    output: Usd
    cached_input: Usd | None = None
    cache_write: Usd | None = None
    since: date | None = msgspec.field(default=None, name="from")

    def __post_init__(self) -> None:
        provider, _, name = self.model.partition(":")
        if provider not in PRICED_AS or not name:
            raise InvalidConfig(
                f"{self.model!r} names no model that can have a price",
                hint=f"write PROVIDER:NAME; the providers are {', '.join(PRICED_AS)}",
            )
        if "*" in name[:-1]:
            raise InvalidConfig(f"{self.model!r} has a * that is not at its end")
        for key in ("input", "output", "cached_input", "cache_write"):
            value: float | None = getattr(self, key)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InvalidConfig(f"{key}: {value} is no price", hint="write USD per million tokens, 0 or more")

    @property
    def rates(self) -> Rates:
        """Itself as rates."""
        cached, written = self.cached_input, self.cache_write
        return Rates(
            input=_exact(self.input),
            cached_input=_exact(self.input if cached is None else cached),
            cache_write=_exact(self.input if written is None else written),
            output=_exact(self.output),
            source=SOURCE,
            name=self.model,
        )

    def covers(self, spec: str, day: date) -> bool:
        """Whether it is the price of that model on that day, if no later or closer one is."""
        if self.since is not None and day < self.since:
            return False
        return spec.startswith(self.model[:-1]) if self.model.endswith("*") else spec == self.model


def _exact(price: float) -> Decimal:
    """As it was written: 0.1 is a tenth."""
    return Decimal(repr(price))
