"""The `prices` section of agent.yaml: what an agent pays where that is not what `genai-prices` says."""

from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec

from emonk.costs.rates import Rates
from emonk.errors import InvalidConfig
from emonk.models.specs import PRICED_AS
from emonk.resilience.bounds import number

SOURCE = "agent.yaml"

_MOST = 1e9

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
            value: object = getattr(self, key)
            if value is not None or key in {"input", "output"}:
                number(f"the price of {self.model}, {key},", value, most=_MOST)

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
