"""The loop: ask the model, run the tools it calls, until it answers or a limit is reached."""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from emonk.costs.account import Account
from emonk.costs.spending import TurnBudget
from emonk.errors import ConfigError, DeadlineExceeded, InfraError, InvalidConfig, MalformedOutput, kind_of
from emonk.events import Event, InboxItem, ModelSaid, ToolReturned, TurnCancelled, TurnFinished, UserSaid
from emonk.ids import trace_id as new_trace_id
from emonk.messages import ToolCall, ToolMessage, ToolResult
from emonk.models.protocol import Outcome
from emonk.observe import trace
from emonk.records import Reply
from emonk.routing.tries import TOOL_NOT_USED
from emonk.runtime.ask import PricedResponse
from emonk.runtime.asking import Asker, ContextOverflow, Postponed
from emonk.runtime.compression.compressor import TurnContext
from emonk.runtime.context import this_turn, unknown_calls, unusable_note
from emonk.runtime.dispatch import OUTCOME_UNKNOWN, Dispatcher, said_by
from emonk.runtime.ending import CANCELLED, Ending, TurnEnded
from emonk.runtime.journal import Journal
from emonk.runtime.ledger import Ledger
from emonk.runtime.progress import BudgetLow, Emit
from emonk.runtime.route import Route
from emonk.runtime.setup import Setup
from emonk.runtime.tally import Tally
from emonk.store.protocol import Claimed

_log = logging.getLogger("emonk.runtime")


class Turn:
    """One turn of a claimed session.

    Attributes:
        message_id: of the message that opened the turn.
        abandoned: set before a cancellation, it leaves the turn unfinished, to be resumed.
        closing: how the turn ends is decided, and a cancellation comes too late.
    """

    def __init__(
        self, setup: Setup, claimed: Claimed, journal: Journal, *, emit: Emit, watched: bool, background: bool
    ) -> None:
        item, opened = claimed.item, claimed.item.event
        said = opened if isinstance(opened, UserSaid) else None
        deadline = setup.clock.monotonic() + setup.limits.seconds
        self._setup = setup
        self._journal = journal
        self._session_id = item.session.session_id
        self._trace_id = said.trace_id if said else ""
        self._lead = said is not None and said.lead
        self._required = _required_tool(said, this_turn(claimed.events, item.message_id) if claimed.resumed else ())
        self._route = Route(setup, journal, said, resumed=claimed.resumed)
        self._tally = Tally(this_turn(claimed.events, item.message_id) if claimed.resumed else ())
        self._ledger = ledger = Ledger(setup, journal, item, self._budget(item, emit))
        self._asker = Asker(
            setup,
            deadline=deadline,
            emit=emit,
            watched=watched,
            background=background,
            patient=said is not None and said.patient,
            note=lambda failed: journal.note((failed,)),
            ledger=ledger,
        )
        self._context = TurnContext(setup, journal, item, asker=self._asker, tally=self._tally, emit=emit)
        ledger.size = lambda: self._context.tokens
        self._messages = self._context.messages
        self._dispatcher = Dispatcher(
            setup,
            journal,
            session_id=self._session_id,
            message_id=item.message_id,
            user_id=item.user_id,
            trace_id=self._trace_id,
            deadline=deadline,
            background=background,
            emit=emit,
            resumed=claimed.resumed,
        )
        self._unsettled = bool(journal.open_calls)
        if claimed.resumed:
            # What a crash left open may have acted.
            self._dispatcher.started.update(call.id for call in journal.open_calls)
            for call in unknown_calls(this_turn(claimed.events, item.message_id)):
                self._dispatcher.forbid(call)
        self.message_id = item.message_id
        self.abandoned = False
        self.closing = False

    async def run(self) -> Reply:
        """Run to the reply, which is durable when this returns; cancelling the task makes it a `cancelled` one.

        Raises:
            InfraError, ConfigError: the store cannot be written; the turn stays unfinished.
            Postponed: the turn waits for a language model, and its lease was given back.
            asyncio.CancelledError: the turn was abandoned, and its lease given back.
        """
        context = trace.begin(self._trace_id or new_trace_id())
        try:
            try:
                ending = await self._ending()
            except (asyncio.CancelledError, Postponed):
                await self._journal.release()
                raise
            return await self.finish(ending)
        finally:
            trace.end(context)

    async def finish(self, ending: Ending) -> Reply:
        """End the turn without running it further.

        Raises:
            InfraError, ConfigError: the store cannot be written; the turn stays unfinished.
        """
        self.closing = True
        if self._unsettled:
            await self._dispatcher.prepare(self._journal.open_calls, recovers=True)
        tally, status = self._tally, ending.status
        cost = None if self._ledger.uncertain else tally.cost
        reply = Reply(
            text=ending.text,
            status=status,
            session_id=self._session_id,
            message_id=self.message_id,
            trace_id=self._trace_id,
            steps=tally.steps,
            cost_usd=cost,
            usage=tally.usage,
            reason=ending.reason,
            degraded=self._asker.error is not None,
            error=ending.error,
        )
        last = (
            TurnCancelled(message_id=self.message_id, steps=tally.steps, cost_usd=cost)
            if status == "cancelled"
            else TurnFinished(
                message_id=self.message_id,
                status=status,
                steps=tally.steps,
                cost_usd=cost,
                reason=ending.reason,
                text=ending.own_text,
            )
        )
        events = (*ending.events, last)
        await self._journal.finish(events, reply, lambda call: self._cut_off(call, status), tokens=self._context.tokens)
        return reply

    def _budget(self, item: InboxItem, emit: Emit) -> TurnBudget | None:
        """What the turn may spend, if that is limited."""
        spending = self._setup.spending
        if spending is None:
            return None

        def tell(account: Account) -> None:
            name, text = account.key.name, account.told()
            if name != "usd":
                cause = f"budget_low {name} {account.key.whose}".rstrip()
                self._setup.alert(cause, "error", text, self._trace_id)
            emit(BudgetLow(name, text))

        return TurnBudget(
            spending,
            self._session_id,
            item.user_id,
            limit=self._setup.limits.usd,
            spent=self._tally.known,
            tell=tell,
        )

    async def _ending(self) -> Ending:
        try:
            return await self._setup.in_time.within(self._loop(), "the turn")
        except TurnEnded as ended:
            return ended.ending
        except DeadlineExceeded:
            self._asker.postpone_if_patient()
            text = f"Stopped: the turn took longer than {self._setup.limits.seconds:g} s."
            return Ending("limit", text, "seconds")
        except asyncio.CancelledError:
            if self.abandoned:
                raise
            task = asyncio.current_task()
            while task is not None and task.uncancel():
                continue
            return CANCELLED
        except (InfraError, ConfigError):
            raise
        except Exception as error:  # noqa: BLE001 - logged, and the user gets a reply
            _log.exception("turn of message %s failed, trace %s", self.message_id, self._trace_id)
            text = f"Something went wrong inside emonk ({type(error).__name__}), trace {self._trace_id}."
            cause = f"internal_error {type(error).__name__}"
            self._setup.alert(cause, "error", f"a turn failed: {said_by(error)}", self._trace_id)
            return Ending("failed", text, "internal_error")
        finally:
            self.closing = True

    async def _loop(self) -> Ending:
        if self._journal.open_calls:
            await self._settle(self._journal.open_calls)
        while True:
            self._journal.check()
            self._tally.check(self._setup.limits)
            answer = await self._ask()
            response = answer.response
            match response.outcome:
                case Outcome.TOOL_CALLS:
                    await self._step(answer)
                case Outcome.COMPLETE if self._required and self._asker.error is None:
                    self._unusable(answer, f"it does not call {self._required}", TOOL_NOT_USED)
                case Outcome.COMPLETE:
                    return self._complete(answer)
                case Outcome.TRUNCATED:
                    text = response.text or "The model reached its output limit before it said anything."
                    return Ending("limit", text, "max_output_tokens", (answer.said(),))
                case Outcome.BLOCKED:
                    said = f": {response.text}" if response.text.strip() else "."
                    text = f"The provider declined to answer ({response.finish_reason}){said}"
                    return Ending("failed", text, "blocked", (answer.said(),), InvalidConfig.__name__)
                case Outcome.MALFORMED | Outcome.EMPTY:
                    detail = f"the provider reports {response.finish_reason or 'an empty answer'}"
                    self._unusable(answer, detail, MalformedOutput.default_code)

    async def _ask(self) -> PricedResponse:
        await self._context.fit()
        hardness = self._route.next(lambda: self._context.said)
        while True:
            try:
                answer = await self._asker.ask(
                    self._messages, self._context.tools, hardness, required_tool=self._required
                )
            except ContextOverflow as overflow:
                if not await self._context.fit_after(overflow):
                    raise
            else:
                response = answer.response
                self._context.answered(response)
                self._route.answered(self._asker)
                self._tally.step(response.usage, answer.cost, usable=response.outcome is not Outcome.MALFORMED)
                return answer

    def _complete(self, answer: PricedResponse) -> Ending:
        """The answer; one by rules says first why there is none of a model, and failed unless a tool has run."""
        text, error = answer.response.text, self._asker.error
        if error is None:
            return Ending("done", text, events=(answer.said(),))
        text = f"{self._asker.trouble}\n\n{text}"
        if isinstance(self._messages[-1], ToolMessage):
            return Ending("done", text, "degraded")
        return Ending("failed", text, error.code, error=kind_of(error))

    async def _step(self, answer: PricedResponse) -> None:
        """Run the calls of an answer. What is not repeatable begins and ends with its record being durable."""
        calls = answer.response.tool_calls
        self._tally.usable()
        if self._required in [call.name for call in calls]:
            self._required = ""
        repeatable = all(self._repeatable(call) for call in calls)
        if repeatable:
            self._journal.note((answer.said(),))
        else:
            try:
                await self._dispatcher.prepare(calls)
            finally:
                self._journal.note((answer.said(),))
            await self._journal.flush()
        self._messages.append(answer.response.message)
        returned = await self._dispatcher.run(calls, self._note)
        if not repeatable:
            await self._journal.flush()
        await self._context.add(returned)
        self._tally.fail(returned)

    async def _settle(self, calls: Sequence[ToolCall]) -> None:
        """After a crash a repeatable call runs again, and the ledger knows about an effect; of any other call, and of
        one whose tool is not there any more, the outcome is unknown.
        """
        effects = [call for call in calls if (tool := self._setup.tool(call.name)) and tool.effect]
        await self._dispatcher.prepare(effects, recovers=True)
        self._unsettled = False
        repeatable = [call for call in calls if self._setup.tool(call.name) and self._repeatable(call)]
        again = [*repeatable, *effects]
        settled = list(await self._dispatcher.run(again, self._note)) if again else []
        for call in calls:
            if call not in again:
                self._dispatcher.forbid(call)
                settled.append(ToolReturned(result=_unknown(call)))
                self._note(settled[-1])
        if effects:
            await self._journal.flush()
        self._context.reread()
        self._tally.fail(settled)

    def _note(self, returned: ToolReturned) -> None:
        self._journal.note((returned,))

    def _repeatable(self, call: ToolCall) -> bool:
        """Whether running it twice does no more than running it once. What cannot run at all is."""
        tool = self._setup.tool(call.name)
        return tool is None or tool.idempotent

    def _cut_off(self, call: ToolCall, status: str) -> ToolReturned:
        """The result of a call that is open when the turn ends."""
        effect = self._dispatcher.cut_off(call, status)
        if effect is not None:
            return ToolReturned(result=effect)
        tool = self._setup.tool(call.name)
        if call.id in self._dispatcher.started and (tool is None or not tool.idempotent):
            return ToolReturned(result=_unknown(call))
        return ToolReturned(
            result=ToolResult(call.id, call.name, f"Not finished: the turn ended as {status}.", "not_run")
        )

    def _unusable(self, answer: PricedResponse, detail: str, code: str) -> None:
        """An answer that cannot be used is asked for once more, then of the lead if that is another model."""
        failed = answer.failed(code, detail)
        allowed = 2 if self._setup.candidates.can_escalate and not self._lead else 1
        if self._tally.unusable() > allowed:
            text = f"The model gave no usable answer {'twice' if allowed == 1 else 'three times'}: {detail}."
            raise TurnEnded(Ending("failed", text, code, (failed,), MalformedOutput.__name__))
        self._journal.note((failed,))
        self._messages.append(unusable_note(detail))


def _required_tool(said: UserSaid | None, so_far: Iterable[Event]) -> str:
    """The tool that has still to be called before there is an answer; empty where none has."""
    required = said.hints.required_tool if said and said.hints else ""
    called = required and any(
        call.name == required for event in so_far if isinstance(event, ModelSaid) for call in event.message.tool_calls
    )
    return "" if called else required


def _unknown(call: ToolCall) -> ToolResult:
    return ToolResult(call.id, call.name, OUTCOME_UNKNOWN, "outcome_unknown")
