"""The prices that count for an agent: its own first, then those of `genai-prices`."""

import difflib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Literal

import msgspec

from emonk.costs.catalogue import Sheet, find, names_of
from emonk.costs.rates import Rates
from emonk.errors import UnknownPrice
from emonk.models.specs import PRICED_AS
from emonk.records import Usage

FREE = frozenset({"offline"})
_ZERO = Decimal(0)
_NOTHING = Rates(input=_ZERO, cached_input=_ZERO, cache_write=_ZERO, output=_ZERO)


class Cost(msgspec.Struct, frozen=True):
    """What a call costs. `rates` are what it was calculated by: of the day, and of the tier for the whole request."""

    total_usd: Decimal
    usage: Usage
    rates: Rates


class PriceBook:
    """Finds what calls cost.

    Attributes:
        unpriced: whether a model without a known price is told as a `notice`, or was said to be allowed.
    """

    def __init__(self, *, unpriced: Literal["notice", "allow"] = "notice") -> None:
        self.unpriced = unpriced

    def cost(self, spec: str, usage: Usage, *, model: str = "", at: date | None = None) -> Cost:
        """What a call of the model named by `spec` costs.

        Args:
            spec: the model string, for example `gemini:gemini-2.0-flash`.
            usage: the call's tokens.
            model: the name that the provider answered with, tried first: it may say the version.
            at: when the call was: a day (UTC) means its noon, None now.

        Raises:
            UnknownPrice: no price is known for the model.
        """
        if spec in FREE:
            return Cost(_ZERO, usage, _NOTHING)
        provider, _, name = spec.partition(":")
        if provider in PRICED_AS:
            when = instant(at)
            for candidate in (model, name):
                sheet = _sheet(provider, candidate, when) if candidate else None
                if sheet is not None:
                    rates = sheet.rates(usage)
                    return Cost(rates.cost(usage), usage, rates)
        raise UnknownPrice(f"no price is known for {spec}")

    def check(self, spec: str) -> None:
        """Find out before the first call, not after the bill, and have the prices at hand for it.

        Reads for half a second the first time: call it in a thread.

        Raises:
            UnknownPrice: no price is known for the model; the hint names those near it.
        """
        try:
            self.cost(spec, Usage(1, 1))
        except UnknownPrice as error:
            provider, _, name = spec.partition(":")
            if provider not in PRICED_AS:
                raise
            raise UnknownPrice(error.message, hint=_near(provider, name)) from error


DEFAULT = PriceBook()


def price(spec: str, usage: Usage, *, model: str = "", at: date | None = None) -> Decimal:
    """What a call costs by the prices of `genai-prices`, in USD; see `PriceBook.cost`.

    Raises:
        UnknownPrice: no price is known for the model.
    """
    return DEFAULT.cost(spec, usage, model=model, at=at).total_usd


def check_priced(spec: str) -> None:
    """See that `genai-prices` knows a price; see `PriceBook.check`.

    Raises:
        UnknownPrice: no price is known for the model; the hint names those near it.
    """
    DEFAULT.check(spec)


def instant(at: date | None) -> datetime:
    """The instant whose prices count: noon of a day, in UTC; now for None."""
    if at is None:
        return datetime.now(UTC)
    if isinstance(at, datetime):
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return datetime.combine(at, time(12), UTC)


def _sheet(provider: str, model: str, at: datetime) -> Sheet | None:
    listing = find(PRICED_AS[provider], model)
    return listing.sheet(at) if listing else None


def _near(provider: str, name: str) -> str:
    near = difflib.get_close_matches(name, names_of(PRICED_AS[provider]), 3, 0.5)
    advice = f"known names near it: {', '.join(near)}" if near else "check the model's name"
    return f"{advice}; without `limits.usd` its costs are shown as unknown"
