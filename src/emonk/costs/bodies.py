"""What an answer costs, from the body that the provider sent."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from emonk.costs.book import Cost, advice, instant
from emonk.costs.catalogue import Listing, reported
from emonk.costs.search import anywhere
from emonk.errors import InvalidConfig, UnknownPrice
from emonk.models.anthropic.usage import read_usage as read_anthropic
from emonk.models.fields import as_object, as_text
from emonk.models.gemini.wire import read_usage as read_gemini
from emonk.models.openai.usage import read_chat_usage, read_responses_usage
from emonk.records import Usage

PROVIDERS = ("google", "openai", "anthropic")


class _Body(msgspec.Struct, frozen=True):
    """What a body says of its price: the model, the tokens, and whose extractor of genai-prices reads the rest."""

    model: str
    usage: Usage
    flavor: str
    whole: dict[str, Any]
    told: str | None = None


def cost_of(provider: str, body: dict[str, Any], *, model: str | None = None, at: date | None = None) -> Cost:
    """What an answer costs by the prices of genai-prices.

    Beside tokens it counts what some answers are billed for: audio and pictures at their own rates, caches that are
    kept for an hour, searches of the web. `Cost.extra_usd` is what they add.

    Args:
        provider: whose format the body has: `google`, `openai` (both APIs, and all compatible servers), `anthropic`.
        body: the whole answer as JSON, or the event of a stream that carries its usage.
        model: the model to take the price of; the one that the body names when None.
        at: the day whose prices count (UTC); now when None.

    Raises:
        UnknownPrice: no price is known for the model, or the body does not say which model or how many tokens it was.
        InvalidConfig: the provider is none of the three, or the body is no object.
    """
    if provider not in PROVIDERS:
        raise InvalidConfig(f"{provider!r} is no provider of bodies", hint=f"write one of {', '.join(PROVIDERS)}")
    read = _read(provider, _object(body))
    name = read.model if model is None else _bare(provider, model)
    if not name:
        raise UnknownPrice("the body names no model", hint="say which it was: cost_of(..., model=NAME)")
    when = instant(at)
    listing = anywhere(provider, name, told=read.told, at=when)
    if listing is None:
        raise UnknownPrice(f"no price is known for {name}", hint=advice(provider, name))
    return _priced(provider, read, listing, when)


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidConfig(f"a body is a JSON object, not {type(body).__name__}", hint="decode it first")
    return as_object(body)


def _priced(provider: str, read: _Body, listing: Listing, at: datetime) -> Cost:
    sheet = listing.sheet(at)
    if sheet is None:
        raise UnknownPrice(f"{listing.name} is not sold by the token")
    rates = sheet.rates(read.usage)
    plain = rates.cost(read.usage)
    full = _in_full(provider, read, listing, at)
    return Cost(plain if full is None else full, read.usage, rates, Decimal(0) if full is None else full - plain)


def _in_full(provider: str, read: _Body, listing: Listing, at: datetime) -> Decimal | None:
    """The price with what tokens alone do not say; None where the body says nothing of the kind, or no sense."""
    found = reported(provider, read.flavor, read.whole)
    details = {key: count for key, count in found.items() if count and key not in _TOKENS}
    return listing.total(at, {**details, **_tokens(read.usage)}) if details else None


_TOKENS = frozenset(
    {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "output_reasoning_tokens"}
)


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_reasoning_tokens": usage.reasoning_tokens,
    }


def _read(provider: str, body: dict[str, Any]) -> _Body:
    match provider:
        case "google":
            said = _usage(body, "usageMetadata")
            return _Body(_bare(provider, as_text(body.get("modelVersion"))), read_gemini(said), "default", body)
        case "anthropic":
            body = as_object(body.get("message")) or body
            return _Body(as_text(body.get("model")), read_anthropic(_usage(body, "usage")), "default", body)
        case _:
            return _read_openai(as_object(body.get("response")) or body)


def _read_openai(body: dict[str, Any]) -> _Body:
    said, name = _usage(body, "usage"), as_text(body.get("model"))
    if "input_tokens" in said or body.get("object") == "response":
        return _Body(name, read_responses_usage(said), "responses", body, _told(body, said))
    return _Body(name, read_chat_usage(said), "chat", body, _told(body, said))


def _usage(body: Mapping[str, Any], key: str) -> dict[str, Any]:
    said = as_object(body.get(key))
    if not said:
        raise UnknownPrice(f"the body says no tokens: it has no {key}")
    return said


def _told(body: Mapping[str, Any], said: Mapping[str, Any]) -> str | None:
    """The provider of an OpenAI-compatible body, by fields that only its bodies have."""
    if isinstance(body.get("provider"), str) or as_text(body.get("id")).startswith("gen-"):
        return "openrouter"
    if "x_groq" in body or "usage_breakdown" in body:
        return "groq"
    if "time_info" in body:
        return "cerebras"
    return "deepseek" if "prompt_cache_hit_tokens" in said else None


def _bare(provider: str, name: str) -> str:
    """A model's name without the path of its resource."""
    return name.rpartition("/")[2] if provider == "google" else name
