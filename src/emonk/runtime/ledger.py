"""The rows of a turn's calls: each has one that is written before it leaves, and once more when it has ended."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from emonk.clock import MICROSECONDS, Clock
from emonk.costs.book import Cost
from emonk.errors import ConfigError, EmonkError, InfraError, QuotaExhausted, RateLimited, UnknownPrice
from emonk.events import InboxItem, UserSaid
from emonk.ids import uuid7
from emonk.models.protocol import ModelResponse
from emonk.records import UsageRow
from emonk.resilience.classify import status_of
from emonk.runtime.candidates import Candidate
from emonk.runtime.journal import Journal
from emonk.runtime.setup import Setup

CUT_OFF = "cut_off"
"""The error of a call that was cancelled, or whose time was over."""

OFFLINE = "offline"
"""The model that answers by rules on this machine, which is no call of a provider."""

_NOT_SENT = frozenset({"unreachable", "tls"})


class Entry(Protocol):
    """What a call tells of itself when it has ended."""

    def answered(self, response: ModelResponse) -> Decimal | None:
        """There is an answer; what it costs in USD, None when no price is known."""
        ...

    def failed(self, error: BaseException, code: str = "") -> None:
        """There is none, because of `error`."""
        ...


class _Free:
    """The entry of a call that no provider sees."""

    def answered(self, response: ModelResponse) -> Decimal | None:  # noqa: ARG002 - whatever it says
        return Decimal(0)

    def failed(self, error: BaseException, code: str = "") -> None: ...


FREE: Entry = _Free()


class Ledger:
    """Opens the rows of one turn. A row is durable within `GATHER_SECONDS`, while its call is under way."""

    def __init__(self, setup: Setup, journal: Journal, item: InboxItem) -> None:
        self._setup = setup
        self._bill = setup.bill or journal.bill
        self._item = item
        said = item.event if isinstance(item.event, UserSaid) else None
        self._trace_id = said.trace_id if said else ""
        self._purpose = (said.purpose if said else "") or "turn"
        self._lead = setup.candidates.lead.model.spec

    def begin(self, candidate: Candidate, purpose: str = "") -> Entry:
        """The row of a call that leaves now."""
        spec = candidate.model.spec
        if spec == OFFLINE:
            return FREE
        clock, item = self._setup.clock, self._item
        provider, _, model = spec.partition(":")
        row = UsageRow(
            row_id=uuid7(),
            agent=item.session.agent,
            session_id=item.session.session_id,
            user_id=item.user_id,
            trace_id=self._trace_id,
            purpose=self._setup.purpose or purpose or self._purpose,
            provider=provider,
            model=model,
            state="started",
            started_at=int(clock.time() * MICROSECONDS),
            cost_usd=None,
            message_id=item.message_id,
            role=candidate.role,
            lead=self._lead,
        )
        self._bill(row)
        return _Called(self, row, candidate.model.spec, clock)

    def end(self, row: UsageRow) -> None:
        """The row of a call that has ended."""
        self._bill(row)

    def cost(self, spec: str, response: ModelResponse, at: int) -> Cost | None:
        """What an answer costs by the prices at its call, in UTC microseconds; None when none is known."""
        try:
            instant = datetime.fromtimestamp(at / MICROSECONDS, UTC)
            return self._setup.prices.cost(spec, response.usage, model=response.model, at=instant)
        except UnknownPrice:
            return None


class _Called:
    """The entry of a call that is under way."""

    __slots__ = ("_began", "_clock", "_ledger", "_row", "_spec")

    def __init__(self, ledger: Ledger, row: UsageRow, spec: str, clock: Clock) -> None:
        self._ledger = ledger
        self._row = row
        self._spec = spec
        self._clock = clock
        self._began = clock.monotonic()

    def answered(self, response: ModelResponse) -> Decimal | None:
        cost = self._ledger.cost(self._spec, response, self._row.started_at)
        self._ledger.end(
            msgspec.structs.replace(
                self._row,
                state="completed",
                seconds=self._seconds(),
                usage=response.usage,
                cost_usd=cost.total_usd if cost else None,
                price=cost.rates.as_row() if cost else {},
            )
        )
        return cost.total_usd if cost else None

    def failed(self, error: BaseException, code: str = "") -> None:
        cost = None if may_be_billed(error) else Decimal(0)
        self._ledger.end(
            msgspec.structs.replace(
                self._row, state="failed", seconds=self._seconds(), cost_usd=cost, error=code or _code(error)
            )
        )

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


def _code(error: BaseException) -> str:
    if isinstance(error, EmonkError):
        return error.code
    return "internal_error" if isinstance(error, Exception) else CUT_OFF
