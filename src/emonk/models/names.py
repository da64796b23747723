"""Which models of a provider are known, by the data of `genai-prices`."""

import difflib
from datetime import UTC, date, datetime

from emonk.models.retired import has_ended, retirement
from emonk.models.specs import PRICED_AS

_FAMILIES = {"google": ("gemini-", "gemma-")}  # what else Google sells is not reached by its own wire format


def names_near(provider: str, name: str, count: int = 3, *, today: date | None = None) -> list[str]:
    """The known names that are most like `name`, the nearest first, without those of models that have ended.

    Reads for a third of a second the first time in a process.

    Args:
        provider: of a model string.
        name: as it was written.
        count: how many at most.
        today: by which they ended; None for this day in UTC.
    """
    from genai_prices.data import providers  # noqa: PLC0415 - 0.3 s of CPU that only a misspelt name should pay

    known = next((one for one in providers if one.id == PRICED_AS.get(provider)), None)
    if known is None:
        return []
    day = today or datetime.now(UTC).date()
    sold = (model.id for model in known.models if model.id.startswith(_FAMILIES.get(known.id, "")))
    names = [one for one in sold if not has_ended(known.id, one, day)]
    return difflib.get_close_matches(name.rpartition("/")[2], names, count, 0.5)


def names_hint(provider: str, name: str) -> str:
    """What to say of a name that the provider does not have."""
    check = f"check that {name!r} is a model that this key may use"
    if (found := retirement(f"{provider}:{name}")) is not None:
        check += f"; its provider ends it on {found.day}, its successor is {found.successor}"
    near = [one for one in names_near(provider, name, 4) if one != name][:3]
    return f"{check}; known names near it: {', '.join(near)}" if near else check
