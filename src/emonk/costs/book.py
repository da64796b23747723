"""The prices that count for an agent: its own first, then those of `genai-prices`."""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Literal

import msgspec

from emonk.costs.catalogue import Sheet
from emonk.costs.rates import Rates
from emonk.costs.search import listed, near
from emonk.costs.section import PriceOverride
from emonk.errors import UnknownPrice
from emonk.models.specs import PRICED_AS
from emonk.records import Usage

FREE = frozenset({"offline"})
_ZERO = Decimal(0)
_ONE_EACH = Usage(1, 1)
_LONGEST = Usage(1 << 40, 1)
_REMEMBERED = 1024
_MINUTE = 60_000_000
_NOTHING = Rates(input=_ZERO, cached_input=_ZERO, cache_write=_ZERO, output=_ZERO)


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What a call costs.

    Attributes:
        rates: what it was calculated by: of the day, and of the tier for the whole request.
        extra_usd: the part of the total that these rates do not explain, as for audio; only bodies tell of it.
    """

    total_usd: Decimal
    usage: Usage
    rates: Rates
    extra_usd: Decimal = Decimal(0)


class PriceBook:
    """Finds what calls cost: by the agent's own prices, else by those of `genai-prices`.

    Attributes:
        overrides: the agent's own prices.
        unpriced: whether a model without a known price is told as a `notice`, or was said to be allowed.
    """

    def __init__(
        self, overrides: Sequence[PriceOverride] = (), *, unpriced: Literal["notice", "allow"] = "notice"
    ) -> None:
        self.overrides = tuple(overrides)
        self.unpriced = unpriced
        self._own = sorted(overrides, key=_closeness, reverse=True)
        self._own_rates: dict[tuple[str, date], Rates | None] = {}
        self._minute = -1
        self._sheets: dict[tuple[str, str, str], Sheet] = {}

    def cost(self, spec: str, usage: Usage, *, model: str = "", at: date | None = None) -> Cost:
        """What a call of the model named by `spec` costs.

        Args:
            spec: the model string, for example `gemini:gemini-3.5-flash`.
            usage: the call's tokens.
            model: the name that the provider answered with, tried first: it may say the version.
            at: when the call was: a day (UTC) means its noon, None now.

        Raises:
            UnknownPrice: no price is known for the model; the hint names those near it.
        """
        if spec in FREE:
            return Cost(_ZERO, usage, _NOTHING)
        rates = self._sheet(spec, model, instant(at)).rates(usage)
        return Cost(rates.cost(usage), usage, rates)

    def cost_at(self, spec: str, usage: Usage, model: str, at: int) -> Cost:
        """As `cost`, at UTC microseconds; within one minute the sheet of a model is looked up once.

        Raises:
            UnknownPrice: no price is known for the model.
        """
        minute = at // _MINUTE
        if self._minute != minute:
            self._minute, self._sheets = minute, {}
        endpoint = os.environ.get("OPENAI_BASE_URL", "") if spec.startswith("openai") else ""
        key = (spec, model, endpoint)
        sheet = self._sheets.get(key)
        if sheet is None:
            if spec in FREE:
                return self.cost(spec, usage)
            instant = datetime.fromtimestamp(at / 1_000_000, UTC)
            sheet = self._sheets[key] = self._sheet(spec, model, instant)
        rates = sheet.rates(usage)
        return Cost(rates.cost(usage), usage, rates)

    def is_flat(self, spec: str, at: date) -> bool:
        """Whether many calls cost what one with all their tokens does: no tiers, and nothing for the call itself."""
        try:
            short, long = (self.cost(spec, usage, at=at).rates for usage in (_ONE_EACH, _LONGEST))
        except UnknownPrice:
            return True
        return short == long and not short.request

    def check(self, spec: str) -> None:
        """Find out before the first call, not after the bill, and have the prices at hand for it.

        Reads for half a second the first time: call it in a thread.

        Raises:
            UnknownPrice: no price is known for the model; the hint names those near it.
        """
        self.cost(spec, _ONE_EACH)

    def _sheet(self, spec: str, model: str, at: datetime) -> Sheet:
        provider, _, name = spec.partition(":")
        if provider not in PRICED_AS:
            raise UnknownPrice(f"no price is known for {spec}", hint=f"the providers are {', '.join(PRICED_AS)}")
        names = [one for one in (model, name) if one]
        if self._own and (own := self._own_price(provider, names, at.date())) is not None:
            return Sheet(((-1, own),))
        for one in names:
            listing = listed(provider, one)
            sheet = listing.sheet(at) if listing else None
            if sheet is not None:
                return sheet
        hint = f"{advice(PRICED_AS[provider], name)}; `prices` gives it one"
        raise UnknownPrice(f"no price is known for {spec}", hint=hint)

    def _own_price(self, provider: str, names: Sequence[str], day: date) -> Rates | None:
        """The closest for any of the names: a whole name goes before a pattern that fits another of them."""
        found = [own for name in names if (own := self._closest(f"{provider}:{name}", day)) is not None]
        whole = (rates for rates in found if not rates.name.endswith("*"))
        return next(whole, found[0] if found else None)

    def _closest(self, spec: str, day: date) -> Rates | None:
        key = (spec, day)
        if key not in self._own_rates:
            provider, _, name = spec.partition(":")
            also = f"openai:{name}" if provider == "openai-responses" else spec
            found = (one.rates for one in self._own if one.covers(spec, day) or one.covers(also, day))
            if len(self._own_rates) >= _REMEMBERED:
                self._own_rates.clear()
            self._own_rates[key] = next(found, None)
        return self._own_rates[key]


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


def advice(seller: str, name: str) -> str:
    """What to do about a model without a price."""
    close = near(seller, name, datetime.now(UTC).date())
    return f"known names near it: {', '.join(close)}" if close else "check the model's name"


def _closeness(override: PriceOverride) -> tuple[bool, int, date]:
    """Exact names before patterns, longer patterns before shorter ones, later prices before earlier ones."""
    return not override.model.endswith("*"), len(override.model), override.since or date.min


DEFAULT = PriceBook()
