"""Asks whoever can be asked: a model with its retries, then the next one, and rules alone when no model is left."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from math import ceil

import msgspec

from emonk.errors import BudgetExceeded, CircuitOpen, ConfigError, EmonkError, InfraError, QuotaExhausted, kind_of
from emonk.events import Interrupted, StepFailed
from emonk.messages import Message
from emonk.models.protocol import Model, ModelRequest
from emonk.records import RiskLevel
from emonk.resilience.breaker import DAY
from emonk.resilience.classify import OF_THE_REQUEST
from emonk.routing.complexity import TaskComplexity
from emonk.routing.decision import STAND_BY
from emonk.runtime.ask import PricedResponse, StreamBroken, ask
from emonk.runtime.candidates import Candidate
from emonk.runtime.ending import Ending, TurnEnded
from emonk.runtime.ledger import Ledger
from emonk.runtime.patience import OVERTIME, Patience
from emonk.runtime.progress import Emit, ModelRetry
from emonk.runtime.setup import Setup
from emonk.skills.protocol import Runnable

LOOK_AGAIN = 1.0
"""Seconds after which it is looked again whether a model can be called."""

OVERFLOW = "context_overflow"
"""The code of the error that a request is too long for its model."""

KEPT = "its messages are kept, and answered in their order when one is back"

_LAST_SECOND = 253_402_300_799
"""9999-12-31 23:59:59 UTC, the last that `datetime` knows, in seconds since 1970."""

_UNITS = (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 2 * DAY), ("days", DAY, 366 * DAY))
"""Of durations, in seconds: their names, how long they are, and below which duration they are told."""

_Failed = list[tuple[Candidate, InfraError | ConfigError]]

_log = logging.getLogger("emonk.runtime")


class Postponed(InfraError):
    """No model can be called, and the message waits for one; its turn goes on when one is back."""

    default_code = "postponed"


class ContextOverflow(TurnEnded):
    """The request was too long for the model; the turn ends with that unless it can be made shorter."""


class Asker:
    """Asks on behalf of one turn.

    Attributes:
        error: why no model could be called; the turn goes on by rules, with the tools that only read. Else None.
        trouble: the same in words, for the user.
        by: who gave the last answer; None where rules did.
        slow: somebody's time for that answer was over before.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        deadline: float,
        emit: Emit,
        watched: bool,
        background: bool,
        patient: bool,
        note: Callable[[StepFailed], None],
        ledger: Ledger,
    ) -> None:
        """Ask for a turn.

        Args:
            setup: the agent with its models and tools.
            deadline: of the turn, on the clock's `monotonic()`.
            emit: shows deltas to whoever watches.
            watched: somebody does.
            background: nobody waits for the reply.
            patient: the message waits for a model rather than be answered by rules.
            note: takes the failed call of a model for the log.
            ledger: has a row for each call.
        """
        self._setup = setup
        self._deadline = deadline
        self._emit = emit
        self._watched = watched
        self._background = background
        self._patient = patient
        self._note = note
        self._ledger = ledger
        self._rules: Model | None = None
        self._asking = False
        self.error: InfraError | ConfigError | None = None
        self.trouble = ""
        self.by: Candidate | None = None
        self.slow = False
        self._passed_over: _Failed = []
        self._hardness = TaskComplexity.SIMPLE

    async def ask(
        self,
        messages: Sequence[Message],
        tools: Sequence[Runnable],
        hardness: TaskComplexity = TaskComplexity.SIMPLE,
        *,
        required_tool: str = "",
    ) -> PricedResponse:
        """The next answer.

        Args:
            messages: the conversation.
            tools: that may be called.
            hardness: of the step, which decides who is asked.
            required_tool: that must be called.

        Raises:
            ContextOverflow: the request was too long for the model.
            TurnEnded: it broke off while it was shown, or a human must act.
            Postponed: no model can be called and the message is patient.
        """
        if self.error is None:
            self._asking = True
            request = ModelRequest(messages, tools, self._setup.instructions, required_tool=required_tool)
            answer = await self._ask_models(request, hardness)
            self._asking = False
            if answer is not None:
                return answer
        self.by = None
        return await self._ask_rules(messages, tools)

    def summariser(self) -> Candidate:
        """Who can be asked for something beside the conversation: the lead, or who stands in for it.

        Raises:
            InfraError: nobody can be asked for now.
        """
        able = self._setup.candidates.available(TaskComplexity.COMPLEX) if self.error is None else []
        if not able:
            raise self.error or self._unavailable(self._setup.candidates.wait())
        return able[0]

    async def aside(self, candidate: Candidate, request: ModelRequest, purpose: str) -> PricedResponse:
        """The answer to something beside the conversation, shown to nobody.

        Raises:
            InfraError, ConfigError: there is none.
        """
        await self._ledger.prepare()
        return await self._ask_one(candidate, request, last=False, shown=False, purpose=purpose)

    @property
    def why(self) -> str:
        """Why it was who gave the last answer, and nobody before."""
        if self._passed_over:
            candidate, error = self._passed_over[-1]
            return could_not(candidate.model.spec, error)
        first = self._setup.candidates.order(self._hardness)[0]
        if self.by is not None and self.by.role == first.role:
            return "it can be called again"
        return f"{first.model.spec} cannot be called for now"

    def postpone_if_patient(self) -> None:
        """The turn's time is over: a message that waits for a model has not had its answer by that.

        Raises:
            Postponed: it was a model that took the time.
        """
        if self._patient and self._asking:
            raise Postponed("the session waits for a language model: it does not answer", hint=KEPT)

    async def _ask_models(self, request: ModelRequest, hardness: TaskComplexity) -> PricedResponse | None:
        """The answer of the first model that gives one; None when none does.

        Whose time was over is asked once more, with all the time there is, when all others have failed.
        """
        await self._ledger.prepare()  # not in the loop, where an error of the store would pass for one of a model
        failed: _Failed = []
        members = self._setup.candidates
        candidates = members.available(hardness) or await self._wait_for_one(hardness)
        self.slow = False
        for candidate in candidates:
            last = candidate is candidates[-1]
            try:
                answer = await self._ask_one(candidate, request, last=last)
            except StreamBroken as broken:
                event = Interrupted(text=broken.text, code=broken.code, message=broken.message)
                text = f"The answer broke off: {broken}"
                raise TurnEnded(Ending("failed", text, "interrupted", (event,), kind_of(broken))) from broken
            except BudgetExceeded as error:
                text = f"Stopped: {error.message}." + (f" It {error.hint.removeprefix('it ')}." if error.hint else "")
                raise TurnEnded(Ending("limit", text, error.code, error=kind_of(error))) from error
            except ConfigError as error:
                self._alert(candidate, error)
                if candidate.role == "worker" and not last and error.code not in OF_THE_REQUEST:
                    self._pass_over(candidate, error, failed)
                    continue
                text, event = could_not(candidate.model.spec, error), _failed(candidate, error)
                ended = ContextOverflow if error.code == OVERFLOW else TurnEnded
                raise ended(Ending("failed", text, error.code, (event,), kind_of(error))) from error
            except InfraError as error:
                if isinstance(error, QuotaExhausted):
                    self._alert(candidate, error)
                if error.code == OVERTIME:
                    self.slow = True
                    candidates.append(msgspec.structs.replace(candidate, seconds=None))
                self._pass_over(candidate, error, failed)
            else:
                self.by, self._passed_over, self._hardness = candidate, failed, hardness
                return answer
        self._give_up(failed)
        return None

    def _pass_over(self, candidate: Candidate, error: InfraError | ConfigError, failed: _Failed) -> None:
        """The next one is asked."""
        failed.append((candidate, error))
        self._show(candidate, 0, error)
        _log.warning("%s could not answer: %s", candidate.model.spec, error)

    async def _wait_for_one(self, hardness: TaskComplexity) -> list[Candidate]:
        """Who would be called after a moment, if it is only that; nobody else."""
        clock, candidates = self._setup.clock, self._setup.candidates
        began = clock.monotonic()
        while not (able := candidates.available(hardness)):
            now = clock.monotonic()
            wait = candidates.pause(now - began)
            if wait is None or now + wait >= self._deadline:
                break
            await clock.sleep(min(wait, LOOK_AGAIN))
        return able

    async def _ask_one(
        self, candidate: Candidate, request: ModelRequest, *, last: bool, shown: bool = True, purpose: str = ""
    ) -> PricedResponse:
        """One model, with its retries. While another one stands by, it may not take all the time there is."""
        now = self._setup.clock.monotonic()
        left = self._deadline - now
        seconds = None if candidate.seconds is None else min(candidate.seconds, left)
        patience = None if seconds is None else Patience(self._setup.clock, self._emit)
        answer = candidate.guard.call(
            ask,
            candidate.model,
            request,
            patience.emit if patience else self._emit,
            streaming=self._watched and shown,
            begin=partial(self._ledger.begin, candidate, request, purpose),
            deadline=self._deadline if last else now + min(STAND_BY if seconds is None else seconds, left),
            attempt_timeout=None if last else left / 2,
            background=self._background,
            on_retry=partial(self._show, candidate),
        )
        if patience is None or seconds is None:
            return await answer
        return await patience.wait(answer, seconds, candidate.model.spec)

    def _show(self, candidate: Candidate, retry: int, error: Exception) -> None:
        """Let who watches know why nothing is said yet."""
        spec = candidate.model.spec
        said = error.message if isinstance(error, EmonkError) else type(error).__name__
        what = f"asking {spec} again ({retry})" if retry else f"no answer from {spec}"
        self._emit(ModelRetry(spec, retry, f"{what}: {said}"))

    def _give_up(self, failed: _Failed) -> None:
        """From here on the turn goes by rules.

        Raises:
            Postponed: it rather waits.
        """
        wait = self._setup.candidates.wait()
        if not failed:
            failed = [(self._setup.candidates.first, self._unavailable(wait))]
        if self._patient:
            said = f"the session waits for a language model: {failed[-1][1].message}"
            raise Postponed(said, hint=KEPT, retry_after=wait)
        self.error = failed[-1][1]
        self.trouble = "\n".join(could_not(candidate.model.spec, error) for candidate, error in failed)
        for candidate, error in failed:
            self._note(_failed(candidate, error))

    async def _ask_rules(self, messages: Sequence[Message], tools: Sequence[Runnable]) -> PricedResponse:
        tools = tuple(tool for tool in tools if tool.risk is RiskLevel.LOW and tool.idempotent)
        if self._rules is None:
            from emonk.models.offline import UNREACHABLE, OfflineModel  # noqa: PLC0415 - only when it is needed

            self._rules = OfflineModel(UNREACHABLE)
        return await ask(self._rules, ModelRequest(messages, tools), self._emit, streaming=False)

    def _alert(self, candidate: Candidate, error: ConfigError | QuotaExhausted) -> None:
        if error.code not in OF_THE_REQUEST:
            spec = candidate.model.spec
            level = "critical" if isinstance(error, ConfigError) else "error"
            self._setup.alert(f"{error.code} {spec}", level, could_not(spec, error))

    def _unavailable(self, wait: float) -> CircuitOpen:
        when = datetime.fromtimestamp(ceil(min(self._setup.clock.time() + wait, _LAST_SECOND)), UTC)
        form = "%H:%M:%S UTC" if wait < DAY else "%Y-%m-%d %H:%M UTC"
        return CircuitOpen(f"unavailable until {when:{form}}, for another {_span(wait)}", retry_after=wait)


def _span(seconds: float) -> str:
    """A duration as one would say it."""
    for unit, size, up_to in _UNITS:
        if seconds < up_to:
            return f"{ceil(seconds / size)} {unit}"
    return "year or longer"


def could_not(spec: str, error: EmonkError) -> str:
    """Says that a model did not answer, and why."""
    return f"{spec} could not answer: {error}"


def _failed(candidate: Candidate, error: EmonkError) -> StepFailed:
    return StepFailed(model=candidate.model.spec, code=error.code, message=error.message)
