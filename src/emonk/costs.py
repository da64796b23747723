"""From tokens to dollars."""

import difflib
from datetime import UTC, date, datetime, time
from decimal import Decimal

from emonk.errors import UnknownPrice
from emonk.records import Usage

FREE = frozenset({"offline"})
_PROVIDERS = {"gemini": "google", "vertex": "google", "openai": "openai", "anthropic": "anthropic"}


def price(spec: str, usage: Usage, *, model: str = "", at: date | None = None) -> Decimal:
    """What a call of the model named by `spec` costs, in USD, by the prices of `genai-prices`.

    Args:
        spec: the model string, for example `gemini:gemini-2.0-flash`.
        usage: the call's tokens.
        model: the name that the provider answered with, tried first: it may say the version.
        at: the day whose prices count; today when None.

    Raises:
        UnknownPrice: no price is known for the model.
    """
    provider, _, name = spec.partition(":")
    if provider in FREE:
        return Decimal(0)
    if provider not in _PROVIDERS:
        raise UnknownPrice(f"no price is known for {spec}")
    for candidate in dict.fromkeys((model or name, name)):
        cost = _known_price(_PROVIDERS[provider], candidate, usage, at)
        if cost is not None:
            return cost
    raise UnknownPrice(f"no price is known for {spec}", hint=_near(_PROVIDERS[provider], name))


def check_priced(spec: str) -> None:
    """Find out before the first call, not after the bill.

    Raises:
        UnknownPrice: no price is known for the model.
    """
    price(spec, Usage(1, 1))


def _known_price(provider: str, model: str, usage: Usage, at: date | None) -> Decimal | None:
    import genai_prices  # noqa: PLC0415 - 0.3 s of CPU that only priced models should pay

    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    moment = None if at is None else datetime.combine(at, time(12), UTC)
    try:
        return genai_prices.calc_price(tokens, model, provider_id=provider, genai_request_timestamp=moment).total_price
    except LookupError:
        return None


def _near(provider: str, name: str) -> str:
    from genai_prices.data import providers  # noqa: PLC0415 - as above

    names = [model.id for known in providers if known.id == provider for model in known.models]
    near = difflib.get_close_matches(name, names, 3, 0.5)
    advice = f"known names near it: {', '.join(near)}" if near else "check the model's name"
    return f"{advice}; or allow it with `unpriced: allow`"
