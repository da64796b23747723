"""The rows of a turn's calls: each has one that is written before it leaves, and once more when it has ended."""

from collections.abc import Callable
from decimal import Decimal
from typing import Literal, Protocol

from emonk.clock import MICROSECONDS
from emonk.costs.account import CERTAIN, Guess
from emonk.costs.book import Cost
from emonk.costs.calls import MOST_USD, OFFLINE, REPLAY, error_code, may_be_billed
from emonk.costs.lengths import FIRST_OUTPUT
from emonk.costs.spending import Reserved, TurnBudget
from emonk.errors import UnknownPrice
from emonk.events import InboxItem, UserSaid
from emonk.ids import uuid7
from emonk.models.cassette.current import replaying
from emonk.models.protocol import ModelRequest, ModelResponse
from emonk.models.tokens import family_of, tokens_of_message, tokens_of_request
from emonk.records import Usage, UsageRow
from emonk.runtime.candidates import Candidate
from emonk.runtime.journal import Journal
from emonk.runtime.setup import Setup

_ZERO = Decimal(0)
_NOTHING = Usage()
_NO_PRICE: dict[str, str] = {}


class Entry(Protocol):
    """What a call tells of itself when it has ended."""

    def answered(self, response: ModelResponse) -> Decimal | None:
        """There is an answer; what it costs in USD, None when no price is known."""
        ...

    def failed(self, error: BaseException, code: str = "") -> Decimal | None:
        """There is none, because of `error`; what it costs in USD, None where the provider may bill it."""
        ...


class _Free:
    """The entry of a call that no provider sees."""

    def answered(self, response: ModelResponse) -> Decimal | None:  # noqa: ARG002 - whatever it says
        return Decimal(0)

    def failed(self, error: BaseException, code: str = "") -> Decimal | None:  # noqa: ARG002 - whatever it was
        return Decimal(0)


FREE: Entry = _Free()


class Ledger:
    """Opens the rows of one turn, and keeps it within its budgets.

    A row is durable within `GATHER_SECONDS`, while its call is under way.

    Attributes:
        clock: of the agent.
        uncertain: whether a call broke off that the provider may bill.
        size: how large the next request of the turn itself will be, in tokens; None to count each request.
    """

    def __init__(self, setup: Setup, journal: Journal, item: InboxItem, budget: TurnBudget | None = None) -> None:
        self.clock = setup.clock
        self._setup = setup
        self._bills = setup.bills
        self._journal = journal
        self._item = item
        said = item.event if isinstance(item.event, UserSaid) else None
        self._trace_id = said.trace_id if said else ""
        self._purpose = (said.purpose if said else "") or "turn"
        self._replayed = replaying()
        self._lead = "" if self._replayed else setup.candidates.lead.model.spec  # a replay saves nothing
        self._budget = None if self._replayed else budget
        self.uncertain = False
        self.size: Callable[[], int] | None = None

    async def prepare(self) -> None:
        """Know before a call what is left of the budgets.

        Raises:
            InfraError, ConfigError: the store cannot be read.
        """
        if self._budget is not None:
            await self._budget.prepare()

    def begin(self, candidate: Candidate, request: ModelRequest, purpose: str = "") -> Entry:
        """The row of a call that leaves now.

        Raises:
            BudgetExceeded: it would cost more than is left; nothing is sent.
        """
        spec = candidate.model.spec
        if spec == OFFLINE:
            return FREE
        estimate = reserved = None
        if self._budget is not None:
            estimate, guess = self._estimate(self._budget, spec, request, purpose)
            reserved = self._budget.reserve(estimate, guess)
            self._budget.warn()
        purpose = REPLAY if self._replayed else self._setup.purpose or purpose or self._purpose
        called = _Called(self, candidate, purpose, estimate, reserved, replayed=self._replayed)
        if self._bills is None:
            self._journal.bill(called.row())
        else:
            self._bills.add(called.row_id, called.row)
        return called

    def row(
        self,
        called: "_Called",
        state: Literal["started", "completed", "failed"],
        cost: Decimal | None,
        *,
        usage: Usage = _NOTHING,
        seconds: float = 0.0,
        error: str = "",
        price: dict[str, str] = _NO_PRICE,
    ) -> UsageRow:
        """The row of a call as it stands."""
        item, session = self._item, self._item.session
        provider, _, model = called.spec.partition(":")
        return UsageRow(
            row_id=called.row_id,
            agent=session.agent,
            session_id=session.session_id,
            user_id=item.user_id,
            trace_id=self._trace_id,
            purpose=called.purpose,
            provider=provider,
            model=model,
            state=state,
            started_at=called.started_at,
            seconds=seconds,
            usage=usage,
            cost_usd=cost,
            error=error,
            message_id=item.message_id,
            role=called.role,
            lead=self._lead,
            price=price,
            estimate_usd=called.estimate,
        )

    def end(self, row: UsageRow, reserved: Reserved | None) -> None:
        """The row of a call that has ended; it is written with what the call adds to the log."""
        self.uncertain = self.uncertain or row.cost_usd is None
        if self._bills is not None and self._bills.apart:
            self._bills.add(row.row_id, lambda: row)
        else:
            if self._bills is not None:
                self._bills.take(row.row_id)
            self._journal.bill(row)
        if reserved is not None and self._budget is not None:
            reserved.settle(row.cost_usd)
            if row.state == "completed":
                self._budget.learn(f"{row.provider}:{row.model}", row.usage.output_tokens)
            self._budget.warn()

    def _estimate(
        self, budget: TurnBudget, spec: str, request: ModelRequest, purpose: str
    ) -> tuple[Decimal | None, Guess]:
        """What a call may cost: by the size of its context, and by how long answers were so far or may be."""
        size = self.size() if self.size is not None and not purpose else _counted(spec, request)
        most = request.max_output_tokens
        lengths = budget.lengths(spec)
        output = most or lengths.expected
        cost = self._price(spec, Usage(size, output), "", int(self.clock.time() * MICROSECONDS))
        if cost is None:
            return None, CERTAIN
        if most:
            return cost.total_usd, CERTAIN
        guessed = cost.rates.cost(Usage(0, output)) - cost.rates.request
        each = guessed / output
        return cost.total_usd, Guess(guessed, each * FIRST_OUTPUT, each * lengths.shortest)

    def cost(self, spec: str, response: ModelResponse, at: int) -> Cost | None:
        """What an answer costs by the prices at its call, in UTC microseconds.

        None when no price is known, and for an answer that tells no tokens unless tokens are free.
        """
        cost = self._price(spec, response.usage, response.model, at)
        usage = response.usage
        if usage.input_tokens or usage.output_tokens or cost is None or not (cost.rates.input or cost.rates.output):
            return cost
        return None

    def _price(self, spec: str, usage: Usage, model: str, at: int) -> Cost | None:
        try:
            cost = self._setup.prices.cost_at(spec, usage, model, at)
        except UnknownPrice:
            return None
        return cost if cost.total_usd < MOST_USD else None


class _Called:
    """The entry of a call that is under way."""

    __slots__ = (
        "_began",
        "_ledger",
        "_replayed",
        "_reserved",
        "estimate",
        "purpose",
        "role",
        "row_id",
        "spec",
        "started_at",
    )

    def __init__(
        self,
        ledger: Ledger,
        candidate: Candidate,
        purpose: str,
        estimate: Decimal | None,
        reserved: Reserved | None,
        *,
        replayed: bool,
    ) -> None:
        clock = ledger.clock
        self._ledger = ledger
        self._reserved = reserved
        self._replayed = replayed
        self._began = clock.monotonic()
        self.row_id = uuid7()
        self.started_at = int(clock.time() * MICROSECONDS)
        self.role = candidate.role
        self.spec = candidate.model.spec
        self.purpose = purpose
        self.estimate = estimate

    def row(self) -> UsageRow:
        """Its row before it has ended."""
        return self._ledger.row(self, "started", _ZERO if self._replayed else None)

    def answered(self, response: ModelResponse) -> Decimal | None:
        ledger, usd, price = self._ledger, None, _NO_PRICE
        if self._replayed:
            usd = _ZERO
        elif (cost := ledger.cost(self.spec, response, self.started_at)) is not None:
            usd, price = cost.total_usd, cost.rates.as_row()
        ledger.end(
            ledger.row(self, "completed", usd, usage=response.usage, seconds=self._seconds(), price=price),
            self._reserved,
        )
        return usd

    def failed(self, error: BaseException, code: str = "") -> Decimal | None:
        ledger, usd = self._ledger, None if may_be_billed(error) and not self._replayed else _ZERO
        row = ledger.row(self, "failed", usd, seconds=self._seconds(), error=code or error_code(error))
        ledger.end(row, self._reserved)
        return usd

    def _seconds(self) -> float:
        return round(self._ledger.clock.monotonic() - self._began, 6)


def _counted(spec: str, request: ModelRequest) -> int:
    family = family_of(spec)
    said = sum(tokens_of_message(message, family) for message in request.messages)
    return said + tokens_of_request(request.instructions, request.tools, family)
