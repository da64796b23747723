"""How large the window of a model is, by the data of `genai-prices`."""

from functools import lru_cache

from emonk.models.specs import PRICED_AS


@lru_cache(maxsize=64)
def window_of(spec: str) -> int | None:
    """Tokens that the model named by `spec` takes in one request, None when that is not known.

    Reads for a third of a second the first time: call it in a thread.
    """
    provider, _, name = spec.partition(":")
    if provider not in PRICED_AS:
        return None
    from genai_prices.data import providers  # noqa: PLC0415 - 0.3 s of CPU that only named models should pay

    known = next((one for one in providers if one.id == PRICED_AS[provider]), None)
    found = known.find_model(name) if known is not None else None
    return found.context_window if found is not None else None
