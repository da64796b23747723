"""What becomes of the row of a call: there is one before the call leaves, and the same once more when it has ended."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

from msgspec.structs import replace

from emonk.clock import Clock
from emonk.costs.book import Cost
from emonk.errors import ConfigError, EmonkError, InfraError, QuotaExhausted, RateLimited
from emonk.records import Usage, UsageRow
from emonk.resilience.classify import status_of

CUT_OFF = "cut_off"
"""The error of a call that was cancelled, or whose time was over."""

OFFLINE = "offline"
"""The model that answers by rules on this machine, which is no call of a provider."""

REPLAY = "replay"
"""The purpose of a call that a cassette answered: its row has the recorded usage, and costs nothing."""

MOST_USD = 1_000_000
"""From here on what a call costs is not known: no call costs that, and stores keep rows up to nine times as much."""

_NOT_SENT = frozenset({"unreachable", "tls"})


def completed(row: UsageRow, usage: Usage, cost: Cost | None, seconds: float) -> UsageRow:
    """The row of a call that has its answer; `cost` is None where no price is known."""
    usd = Decimal(0) if row.purpose == REPLAY else cost.total_usd if cost else None
    price = cost.rates.as_row() if cost and row.purpose != REPLAY else {}
    return replace(row, state="completed", seconds=seconds, usage=usage, cost_usd=usd, price=price)


class OpenCall:
    """A call that is under way, whose row is written as `started`.

    Attributes:
        row: as it is now.
    """

    def __init__(
        self,
        row: UsageRow,
        write: Callable[[UsageRow], Awaitable[None]],
        price: Callable[[UsageRow, Usage, str], Cost | None],
        clock: Clock,
    ) -> None:
        self.row = row
        self._write = write
        self._price = price
        self._clock = clock
        self._began = clock.monotonic()

    async def answered(self, usage: Usage, *, answered_by: str = "") -> UsageRow:
        """There is an answer; the row is durable when this returns.

        Args:
            usage: its tokens.
            answered_by: the model's name in the answer.
        """
        return await self._end(completed(self.row, usage, self._price(self.row, usage, answered_by), self._seconds()))

    async def failed(self, error: BaseException) -> UsageRow:
        """There is none, because of `error`; the row is durable when this returns."""
        cost = None if may_be_billed(error) and self.row.purpose != REPLAY else Decimal(0)
        code = error_code(error)
        return await self._end(replace(self.row, state="failed", seconds=self._seconds(), cost_usd=cost, error=code))

    async def _end(self, row: UsageRow) -> UsageRow:
        self.row = row
        await self._write(row)
        return row

    def _seconds(self) -> float:
        return round(self._clock.monotonic() - self._began, 6)


def may_be_billed(error: BaseException) -> bool:
    """Whether the provider may have worked for a call that came to nothing: it was sent, and nobody refused it."""
    if status_of(error) is not None:
        return False
    match error:
        case RateLimited() | QuotaExhausted() | ConfigError() | ConnectionRefusedError():
            return False
        case InfraError():
            return error.code not in _NOT_SENT
        case _:
            return True


def error_code(error: BaseException) -> str:
    """What the bill says of an error."""
    if isinstance(error, EmonkError):
        return error.code
    return "internal_error" if isinstance(error, Exception) else CUT_OFF
