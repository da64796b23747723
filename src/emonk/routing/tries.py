"""Asking the candidates of a decision, one after another, until one gives an answer that can be used."""

import logging
from collections.abc import Mapping

import msgspec

from emonk.clock import Clock
from emonk.errors import AgentError, ConfigError, DeadlineExceeded, EmonkError, MalformedOutput
from emonk.models.protocol import Model, ModelRequest, ModelResponse, Outcome
from emonk.observe.alerts import Alert, raise_alert
from emonk.resilience.classify import OF_THE_REQUEST
from emonk.resilience.deadline import within
from emonk.resilience.guard import Guard
from emonk.routing.bill import Bill
from emonk.routing.decision import STAND_BY, Choice, Decision, Role

UNUSABLE = 2
"""Answers of one model that cannot be used, after which the next one is asked."""

TOOL_NOT_USED = "tool_not_used"
"""The code of an answer without the tool that was required."""

_log = logging.getLogger("emonk.routing")


class Attempt(msgspec.Struct, frozen=True):
    """One model that was asked.

    Attributes:
        role: of the model.
        model: as a configuration names it.
        seconds: that it took, with its retries.
        error: why it is not its answer that counts; empty where it is.
    """

    role: Role
    model: str
    seconds: float
    error: str = ""


class Member(msgspec.Struct, frozen=True):
    """A model and what guards its calls; `own` where it was opened here."""

    model: Model
    guard: Guard
    own: bool = False


class Tries:
    """What is done for one task.

    Attributes:
        attempts: so far.
        answered: the one that gave the answer.
    """

    def __init__(self, members: Mapping[Role, Member], clock: Clock, seconds: float, bill: Bill | None = None) -> None:
        self._members = members
        self._bill = bill
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self.attempts: list[Attempt] = []
        self.answered: Attempt | None = None

    async def first_answer(self, decision: Decision, request: ModelRequest) -> ModelResponse:
        """The first answer that can be used.

        A worker whose time was over is asked once more, without a limit, when all others have failed.

        Raises:
            ConfigError: of the lead or the fallback.
            Exception: the last one's own error.
        """
        queue = list(decision.candidates)
        failed: list[Exception] = []
        for choice in queue:
            last = choice is queue[-1]
            began = self._clock.monotonic()
            try:
                response = await self._usable(choice, request, last=last)
            except Exception as error:
                self._failed(choice, began, error)
                if isinstance(error, ConfigError) and choice.role != "worker":
                    raise
                failed.append(error)
                if choice.seconds is not None and isinstance(error, DeadlineExceeded):
                    queue.append(msgspec.structs.replace(choice, seconds=None, why="all others failed"))
            else:
                self.answered = self._attempt(choice, began)
                return response
        for earlier in failed[:-1]:
            failed[-1].add_note(f"before that: {_said(earlier)}")
        raise failed[-1]

    async def _usable(self, choice: Choice, request: ModelRequest, *, last: bool) -> ModelResponse:
        """An answer, within the time that the choice has.

        Raises:
            MalformedOutput: there is none, twice.
            Exception: the model's own error.
        """
        left = max(0.0, self._deadline - self._clock.monotonic())
        seconds = left if choice.seconds is None else min(left, choice.seconds)
        what = f"the {choice.role}"
        return await within(seconds, self._asked(choice, request, seconds, last=last), clock=self._clock, what=what)

    async def _asked(self, choice: Choice, request: ModelRequest, seconds: float, *, last: bool) -> ModelResponse:
        member = self._members[choice.role]
        now = self._clock.monotonic()
        trouble = ""
        for _ in range(UNUSABLE):
            answer = await member.guard.call(
                self._ask,
                choice.role,
                request,
                deadline=now + (seconds if last else min(STAND_BY, seconds)),
                attempt_timeout=None if last or choice.seconds is not None else seconds / 2,
            )
            if isinstance(answer, AgentError):
                trouble = answer.message
            elif not (trouble := _trouble(answer, request)):
                return answer
        code = TOOL_NOT_USED if trouble.startswith("it does not call") else MalformedOutput.default_code
        raise MalformedOutput(f"the {choice.role} gave no usable answer twice: {trouble}", code=code)

    async def _ask(self, role: Role, request: ModelRequest) -> ModelResponse | AgentError:
        """One answer. What an adapter could not make sense of is one too, and no fault of the connection."""
        model = self._members[role].model
        try:
            return await (self._bill.ask(model, role, request) if self._bill else model.generate(request))
        except AgentError as error:
            return error

    def _attempt(self, choice: Choice, began: float, error: str = "") -> Attempt:
        seconds = round(self._clock.monotonic() - began, 6)
        made = Attempt(choice.role, self._members[choice.role].model.spec, seconds, error)
        self.attempts.append(made)
        return made

    def _failed(self, choice: Choice, began: float, error: Exception) -> None:
        made = self._attempt(choice, began, _said(error))
        _log.warning("%s could not do it: %s", made.model, made.error)
        if isinstance(error, ConfigError) and error.code not in OF_THE_REQUEST:
            raise_alert(Alert(f"{error.code} {made.model}", "critical", f"{made.model} could not answer: {error}"))


def _trouble(answer: ModelResponse, request: ModelRequest) -> str:
    """Why an answer cannot be used; empty where it can, as also a policy's refusal, which is final."""
    if answer.outcome in (Outcome.MALFORMED, Outcome.EMPTY):
        return answer.finish_reason or "it is empty"
    if answer.outcome in (Outcome.BLOCKED, Outcome.TRUNCATED):
        return ""
    called = {call.name for call in answer.tool_calls}
    if request.required_tool and request.required_tool not in called:
        return f"it does not call {request.required_tool}"
    if request.tool_choice == "required" and not called:
        return "it does not call a tool"
    return ""


def _said(error: Exception) -> str:
    return error.message if isinstance(error, EmonkError) else f"{type(error).__name__}: {error}"
