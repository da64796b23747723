"""Where a model is sold: its own provider first, then whoever the answer, the endpoint or the name tells."""

import os
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache

from emonk.costs.catalogue import Listing, find, seller_at, seller_of_name, sellers
from emonk.models.names import sold_near
from emonk.models.specs import PRICED_AS

_RESELLERS = frozenset({"cursor", "github-copilot", "openai-decisions", "quicksilverpro", "typesafe"})
"""They sell other things than calls, or others' models by terms that are not the token's."""

_OPEN_WEIGHTS = "gpt-oss"
"""How the models of OpenAI begin that anybody may serve."""


def listed(provider: str, model: str) -> Listing | None:
    """The model of a model string, sold by the provider that its calls go to.

    `openai:` means whoever answers at OPENAI_BASE_URL, where genai-prices knows the endpoint. Names are not looked up
    elsewhere: a local `llama3` is not what a cloud sells under that name. At an endpoint that it does not know, as a
    gateway has or a stand-in, models that only OpenAI has cost what they cost there; weights that everybody can have,
    such as `gpt-oss-120b`, have no known price.
    """
    seller = PRICED_AS[provider]
    if seller == "openai" and (url := os.environ.get("OPENAI_BASE_URL")):
        known = seller_at(url)
        if known is None and model.lower().startswith(_OPEN_WEIGHTS):
            return None
        seller = known or seller
    return find(seller, model)


def anywhere(seller: str, model: str, *, told: str | None, at: datetime) -> Listing | None:
    """The model of a body, whose endpoint is not known.

    Args:
        seller: the provider whose format the body has.
        model: as the body names it.
        told: the provider that the body itself tells.
        at: when it answered.
    """
    for provider, name in _places(seller, model, told):
        if (listing := find(provider, name)) is not None:
            return listing
    return _dearest(model, at) if seller == "openai" and ":" not in model else None


@lru_cache(maxsize=256)
def near(seller: str, model: str, today: date) -> tuple[str, ...]:
    """Names of models that are much like that one, and have not ended by that day."""
    sellers = {seller, "openrouter"} if "/" in model else {seller}
    return sold_near(model, sorted(sellers), today)


def _places(seller: str, model: str, told: str | None) -> Iterator[tuple[str, str]]:
    yield seller, model
    if told is not None:
        yield told, model
    if seller != "openai":
        return
    if (by_name := seller_of_name(model)) is not None:
        yield by_name, model
    vendor, slash, name = model.partition("/")
    if slash:
        yield "openrouter", model
        if ":" not in name:
            yield vendor.lower(), name


def _dearest(model: str, at: datetime) -> Listing | None:
    """Of several who sell a model under the same name, the dearest: no bill is told too low."""
    found = [listing for one in sellers() if one not in _RESELLERS and (listing := find(one, model)) is not None]
    sheets = [(sheet.tiers[0][1], listing) for listing in found if (sheet := listing.sheet(at)) is not None]
    return max(sheets, key=lambda one: one[0].input + one[0].output, default=(None, None))[1]
