"""What a million tokens cost."""

from decimal import Decimal
from functools import lru_cache

import msgspec

from emonk.records import Usage

_MILLIONTHS = -6


class Rates(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, cache_hash=True):
    """USD per million tokens of each kind, as they were applied: those of the day and of the tier.

    Attributes:
        input: tokens of the prompt that were neither read from a cache nor written into one.
        output: tokens of the answer, with its reasoning where that has no rate of its own.
        reasoning: tokens of reasoning; None where they cost as much as the rest of the answer.
        request: USD for the call itself.
        source: who says so: `genai-prices` or `agent.yaml`.
        name: how the source calls the model, for example `google/gemini-2.0-flash`.
    """

    input: Decimal
    cached_input: Decimal
    cache_write: Decimal
    output: Decimal
    reasoning: Decimal | None = None
    request: Decimal = Decimal(0)
    source: str = ""
    name: str = ""

    def cost(self, usage: Usage) -> Decimal:
        """What that many tokens cost, in USD.

        It is never negative, also where a provider says that more tokens were cached than there are.
        """
        cached, written = usage.cached_input_tokens, usage.cache_write_tokens
        fresh = usage.input_tokens - cached - written
        cost = self.input * fresh if fresh > 0 else Decimal(0)
        if cached:
            cost += self.cached_input * cached
        if written:
            cost += self.cache_write * written
        if self.reasoning is None:
            cost += self.output * usage.output_tokens
        else:
            thought = min(usage.reasoning_tokens, usage.output_tokens)
            cost += self.output * (usage.output_tokens - thought) + self.reasoning * thought
        return cost.scaleb(_MILLIONTHS) + self.request

    def as_row(self) -> dict[str, str]:
        """Itself as a usage row keeps it: one mapping for all calls with these rates, not to be changed."""
        return _as_row(self)


@lru_cache(maxsize=1024)
def _as_row(rates: Rates) -> dict[str, str]:
    return msgspec.to_builtins(rates)
