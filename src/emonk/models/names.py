"""Which models of a provider are known, by the data of `genai-prices`."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import lru_cache

from emonk.models.retired import has_ended, retirement
from emonk.models.specs import PRICED_AS

_FAMILIES = {"google": ("gemini-", "gemma-")}  # what else Google sells is not reached by its own wire format


@lru_cache(maxsize=64)
def names_of(seller: str) -> tuple[str, ...]:
    """The models of a seller, by its name in `genai-prices`; reads for a third of a second the first time."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - only a misspelt name should pay for it

    return tuple(model.id for one in get_snapshot().providers if one.id == seller for model in one.models)


def sold_near(
    name: str, sellers: Iterable[str], today: date, *, count: int = 3, begin: tuple[str, ...] = ("",)
) -> tuple[str, ...]:
    """The names that are most like `name`, the nearest first, without those of models that have ended.

    Args:
        name: as it was written.
        sellers: whose models, by their names in `genai-prices`.
        today: by which they ended.
        count: how many at most.
        begin: how they have to begin.
    """
    sold = ((seller, one) for seller in sellers for one in names_of(seller) if one.startswith(begin))
    lasting = [one for seller, one in sold if not has_ended(seller, one, today)]
    return tuple(get_close_matches(name.lower(), lasting, count, 0.5))


def names_near(provider: str, name: str, count: int = 3, *, today: date | None = None) -> tuple[str, ...]:
    """The names of a provider's models that are most like `name`, the nearest first.

    Args:
        provider: of a model string.
        name: as it was written.
        count: how many at most.
        today: by which models have not ended; None for this day in UTC.
    """
    seller = PRICED_AS.get(provider)
    if seller is None:
        return ()
    bare, day = name.rpartition("/")[2], today or datetime.now(UTC).date()
    return sold_near(bare, [seller], day, count=count, begin=_FAMILIES.get(seller, ("",)))


def names_hint(provider: str, name: str) -> str:
    """What to say of a name that the provider does not have."""
    check = f"check that {name!r} is a model that this key may use"
    if (found := retirement(f"{provider}:{name}")) is not None:
        check += f"; its provider ends it on {found.day}, its successor is {found.successor}"
    near = [one for one in names_near(provider, name, 4) if one != name][:3]
    return f"{check}; known names near it: {', '.join(near)}" if near else check
