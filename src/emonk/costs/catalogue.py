"""The prices of genai-prices, found once for each model and read without its cost for each call.

A lookup there takes a third of a millisecond, a calculation a tenth. Here a model is looked up once, and its prices
become rates by tier: a tier begins above a number of input tokens and reprices the whole request.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from emonk.costs.rates import Rates
from emonk.records import Usage

if TYPE_CHECKING:
    from genai_prices._usage import UsageValue
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

SOURCE = "genai-prices"

_NONSENSE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""What reading and pricing raise there for bodies whose fields have the wrong types."""

_KINDS = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok", "output_reasoning_mtok")


class Sheet(msgspec.Struct, frozen=True):
    """The rates of a model by how long the prompt is: each from above a number of tokens, ascending."""

    tiers: tuple[tuple[int, Rates], ...]

    def rates(self, usage: Usage) -> Rates:
        """Those that the whole request has."""
        chosen = self.tiers[0][1]
        for above, rates in self.tiers[1:]:
            if usage.input_tokens > above:
                chosen = rates
        return chosen


class Listing(msgspec.Struct, frozen=True):
    """A model as genai-prices lists it."""

    provider: str
    info: "ModelInfo"

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.info.id}"

    def sheet(self, at: datetime) -> Sheet | None:
        """Its rates at that time; None when it is not sold by the token."""
        price = self.info.get_prices(at)
        made = _sheets.get(id(price))
        if made is None:
            made = _sheets[id(price)] = (price, _sheet_of(price, self.name))
        return made[1]

    def total(self, at: datetime, counts: Mapping[str, "UsageValue"]) -> Decimal | None:
        """What counts of all kinds that genai-prices knows cost, in USD; None where they contradict each other."""
        from genai_prices import Usage as Counts  # noqa: PLC0415 - as in `_snapshot`

        try:
            return self.info.get_prices(at).calc_price(Counts(**counts))["total_price"]
        except _NONSENSE:
            return None


_sheets: dict[int, "tuple[ModelPrice, Sheet | None]"] = {}
"""By the identity of prices, which are kept here so that it stays theirs."""


@lru_cache(maxsize=1024)
def find(provider: str, model: str) -> Listing | None:
    """The model of that name at a provider of genai-prices; None when there is none."""
    try:
        seller, info = _snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    return Listing(seller.id, info)


@lru_cache(maxsize=1024)
def seller_of_name(model: str) -> str | None:
    """The provider that a model's name alone tells, as `claude-...` does."""
    try:
        return _snapshot().find_provider(model, None, None).id
    except LookupError:
        return None


@lru_cache(maxsize=64)
def seller_at(url: str) -> str | None:
    """The provider that answers at a URL."""
    try:
        return _snapshot().find_provider(None, None, url).id
    except LookupError:
        return None


def reported(provider: str, flavor: str, body: Mapping[str, object]) -> "Mapping[str, UsageValue]":
    """All that a body counts, by genai-prices' own names; nothing where that cannot be read."""
    seller = _snapshot().find_provider(None, provider, None)
    try:
        _, counts = seller.extract_usage(body, api_flavor=flavor)
    except _NONSENSE:
        return {}
    return dict(vars(counts))


def sellers() -> list[str]:
    """All providers."""
    return [one.id for one in _snapshot().providers]


def _snapshot() -> "DataSnapshot":
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.3 s of CPU that only priced models should pay

    return get_snapshot()


def _sheet_of(price: "ModelPrice", name: str) -> Sheet | None:
    prices: Mapping[str, Decimal | TieredPrices | None] = vars(price)
    listed = {key: value for key, value in prices.items() if value is not None}
    if listed and "input_mtok" not in listed:
        return None
    starts = sorted({start for key in _KINDS for start in _starts(listed.get(key))})
    return Sheet(tuple((start, _rates_above(listed, start, name)) for start in (-1, *starts)))


def _starts(price: "Decimal | TieredPrices | None") -> Iterator[int]:
    if price is not None and not isinstance(price, Decimal):
        yield from (tier.start for tier in price.tiers)


def _rates_above(listed: "Mapping[str, Decimal | TieredPrices]", start: int, name: str) -> Rates:
    """The rates right above a number of input tokens. A kind without a price costs what it is part of."""
    fresh, cached, written, output, reasoning = (_price_above(listed.get(key), start) for key in _KINDS)
    fresh, output = fresh or Decimal(0), output or Decimal(0)
    return Rates(
        input=fresh,
        cached_input=fresh if cached is None else cached,
        cache_write=fresh if written is None else written,
        output=output,
        reasoning=reasoning,
        request=(_price_above(listed.get("requests_kcount"), start) or Decimal(0)).scaleb(-3),
        source=SOURCE,
        name=name,
    )


def _price_above(price: "Decimal | TieredPrices | None", start: int) -> Decimal | None:
    if price is None or isinstance(price, Decimal):
        return price
    chosen = price.base
    for tier in price.tiers:
        if tier.start <= start:
            chosen = tier.price
    return chosen
