"""From tokens to dollars, by the prices of `genai-prices`."""

import difflib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache

import msgspec

from emonk.errors import UnknownPrice
from emonk.models.specs import PRICED_AS
from emonk.records import Usage

FREE = frozenset({"offline"})
_MILLION = 1_000_000


class Rates(msgspec.Struct, frozen=True):
    """USD for one token of each kind, where that does not depend on how many there are."""

    fresh_input: Decimal
    cached_input: Decimal
    cache_write: Decimal
    output: Decimal


def price(spec: str, usage: Usage, *, model: str = "", at: date | None = None) -> Decimal:
    """What a call of the model named by `spec` costs, in USD.

    Args:
        spec: the model string, for example `gemini:gemini-2.0-flash`.
        usage: the call's tokens.
        model: the name that the provider answered with, tried first: it may say the version.
        at: the day whose prices count; today (UTC) when None.

    Raises:
        UnknownPrice: no price is known for the model.
    """
    if spec in FREE:
        return Decimal(0)
    provider, _, name = spec.partition(":")
    if provider not in PRICED_AS:
        raise UnknownPrice(f"no price is known for {spec}")
    day = at or datetime.now(UTC).date()
    for candidate in (model, name):
        rates = _rates(provider, candidate, day)
        if isinstance(rates, Rates):
            return _at_rates(rates, usage)
        if rates == "tiered":
            return _calculate(provider, candidate, usage, day)
    raise UnknownPrice(f"no price is known for {spec}")


def check_priced(spec: str) -> None:
    """Find out before the first call, not after the bill, and have the prices at hand for it.

    Reads and computes for half a second the first time: call it in a thread.

    Raises:
        UnknownPrice: no price is known for the model; the hint names those near it.
    """
    try:
        price(spec, Usage(1, 1))
    except UnknownPrice as error:
        provider, _, name = spec.partition(":")
        if provider not in PRICED_AS:
            raise
        raise UnknownPrice(error.message, hint=_near(provider, name)) from error


@lru_cache(maxsize=256)
def _rates(provider: str, model: str, day: date) -> "Rates | str":
    """The rates of a model, `tiered` where there are no fixed ones, `unknown` without a price.

    A lookup costs a third of a millisecond, so it is made once a day and model. What is fixed is found by asking
    for a million tokens of each kind, and for few: where a tier begins, the two disagree.
    """
    kinds = (Usage(_MILLION), Usage(_MILLION, 0, _MILLION), Usage(_MILLION, 0, 0, _MILLION), Usage(0, _MILLION))
    try:
        many = [_calculate(provider, model, usage, day) for usage in kinds]
        few = [_calculate(provider, model, _thousandth(usage), day) for usage in kinds]
    except LookupError:
        return "unknown"
    return Rates(*(cost / _MILLION for cost in many)) if many == [cost * 1000 for cost in few] else "tiered"


def _thousandth(usage: Usage) -> Usage:
    return Usage(*(count // 1000 for count in msgspec.structs.astuple(usage)))


def _at_rates(rates: Rates, usage: Usage) -> Decimal:
    cached, written = usage.cached_input_tokens, usage.cache_write_tokens
    cost = rates.fresh_input * (usage.input_tokens - cached - written) + rates.output * usage.output_tokens
    if cached or written:
        cost += rates.cached_input * cached + rates.cache_write * written
    return cost


def _calculate(provider: str, model: str, usage: Usage, day: date) -> Decimal:
    import genai_prices  # noqa: PLC0415 - 0.3 s of CPU that only priced models should pay

    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    noon = datetime.combine(day, time(12), UTC)
    known = PRICED_AS[provider]
    return genai_prices.calc_price(tokens, model, provider_id=known, genai_request_timestamp=noon).total_price


def _near(provider: str, name: str) -> str:
    from genai_prices.data import providers  # noqa: PLC0415 - as above

    known = PRICED_AS[provider]
    names = [model.id for one in providers if one.id == known for model in one.models]
    near = difflib.get_close_matches(name, names, 3, 0.5)
    advice = f"known names near it: {', '.join(near)}" if near else "check the model's name"
    return f"{advice}; without `limits.usd` its costs are shown as unknown"
