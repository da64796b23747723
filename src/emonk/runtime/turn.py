"""The loop: ask the model, run the tools it calls, until it answers or a limit is reached."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

import msgspec

from emonk.clock import Clock
from emonk.errors import DeadlineExceeded, EmonkError, InfraError
from emonk.events import Event, Interrupted, StepFailed, ToolReturned, TurnCancelled, TurnFinished, UserSaid
from emonk.messages import ToolCall, ToolMessage, ToolResult
from emonk.models.protocol import Model, ModelRequest, Outcome
from emonk.observe.trace import trace_context
from emonk.records import Reply, ReplyStatus
from emonk.resilience.deadline import within
from emonk.runtime.ask import Answer, BrokenOff, ask
from emonk.runtime.context import messages_of, this_turn
from emonk.runtime.dispatch import Dispatcher, Emit
from emonk.runtime.journal import Journal
from emonk.runtime.limits import Limits
from emonk.runtime.tally import Tally, TurnEnded
from emonk.skills.protocol import Runnable
from emonk.store.protocol import Claimed

OUTCOME_UNKNOWN = (
    "The process stopped while this tool ran: whether it acted is not known. Do not repeat it; tell the user."
)

_log = logging.getLogger("emonk.runtime")


class Setup(msgspec.Struct, frozen=True):
    """What all turns of an agent have in common."""

    agent: str
    instructions: str
    model: Model
    tools: Mapping[str, Runnable]
    limits: Limits
    clock: Clock


class Turn:
    """One turn of a claimed session.

    Attributes:
        message_id: of the message that opened the turn.
        abandoned: set before a cancellation, it leaves the turn unfinished, to be resumed.
    """

    def __init__(self, setup: Setup, claimed: Claimed, journal: Journal, *, emit: Emit, streaming: bool) -> None:
        item, opened = claimed.item, claimed.item.event
        self._setup = setup
        self._journal = journal
        self._emit = emit
        self._streaming = streaming
        self.message_id = item.message_id
        self._session_id = item.session.session_id
        self._trace_id = opened.trace_id if isinstance(opened, UserSaid) else ""
        self._messages = messages_of(claimed.events)
        self._tally = Tally(this_turn(claimed.events, item.message_id) if claimed.resumed else ())
        self._dispatcher = Dispatcher(
            tools=setup.tools,
            agent=setup.agent,
            session_id=self._session_id,
            user_id=item.user_id,
            trace_id=self._trace_id,
            clock=setup.clock,
            deadline=setup.clock.monotonic() + setup.limits.seconds,
            emit=emit,
        )
        self.abandoned = False

    async def run(self) -> Reply:
        """Run to the reply, which is durable when this returns; cancelling the task makes it a `cancelled` one.

        Raises:
            InfraError: the store cannot be written; the turn stays unfinished.
            asyncio.CancelledError: the turn was abandoned.
        """
        with trace_context(self._trace_id):
            return await self._limited()

    async def _limited(self) -> Reply:
        limit = self._setup.limits.seconds
        try:
            return await within(limit, self._loop(), clock=self._setup.clock, what="the turn")
        except TurnEnded as end:
            return await self._finish(end.status, end.text, *end.events, reason=end.reason)
        except DeadlineExceeded:
            text = f"Stopped: the turn took longer than {limit:g} s."
            return await self._finish("limit", text, reason="seconds")
        except asyncio.CancelledError:
            if self.abandoned:
                await self._journal.release()
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            return await self.cancelled()
        except InfraError:
            raise
        except Exception as error:  # noqa: BLE001 - logged, and the user gets a reply
            _log.exception("turn of message %s failed, trace %s", self.message_id, self._trace_id)
            text = f"Something went wrong inside emonk ({type(error).__name__}), trace {self._trace_id}."
            return await self._finish("failed", text, reason="internal_error")

    async def _loop(self) -> Reply:
        if self._journal.open_calls:
            await self._settle(self._journal.open_calls)
        while True:
            self._tally.check(self._setup.limits)
            answer = await self._ask()
            response = answer.response
            match response.outcome:
                case Outcome.TOOL_CALLS:
                    await self._step(answer)
                case Outcome.COMPLETE:
                    return await self._finish("done", response.text, answer.said())
                case Outcome.TRUNCATED:
                    text = response.text or "The model reached its output limit before it said anything."
                    return await self._finish("limit", text, answer.said(), reason="max_output_tokens")
                case Outcome.BLOCKED:
                    text = f"The provider declined to answer ({response.finish_reason})."
                    return await self._finish("failed", text, answer.said(), reason="blocked")
                case Outcome.MALFORMED | Outcome.EMPTY:
                    await self._unusable(answer)

    async def _ask(self) -> Answer:
        model = self._setup.model
        request = ModelRequest(self._messages, tuple(self._setup.tools.values()), self._setup.instructions)
        try:
            answer = await ask(model, request, self._emit, streaming=self._streaming)
        except BrokenOff as broken:
            event = Interrupted(text=broken.text, code=broken.error.code, message=broken.error.message)
            raise TurnEnded("failed", "interrupted", f"The answer broke off: {broken.error}", event) from broken
        except EmonkError as error:
            failed = StepFailed(model=model.spec, code=error.code, message=error.message)
            raise TurnEnded("failed", error.code, f"{model.spec} could not answer: {error}", failed) from error
        self._tally.step(answer.response.usage, answer.cost)
        return answer

    async def _step(self, answer: Answer) -> None:
        calls = answer.response.tool_calls
        repeatable = all(self._repeatable(call) for call in calls)
        self._journal.note((answer.said(),))
        if not repeatable:
            await self._journal.append(())
        self._messages.append(answer.response.message)
        returned = await self._dispatcher.run(calls)
        self._journal.note(returned)
        if not repeatable:
            await self._journal.append(())
        self._messages.append(ToolMessage(tuple(one.result for one in returned)))
        self._tally.fail(returned)

    async def _settle(self, calls: Sequence[ToolCall]) -> None:
        """After a crash an idempotent call runs again; of any other the outcome is unknown."""
        again = [call for call in calls if self._repeatable(call)]
        settled = {one.result.call_id: one for one in await self._dispatcher.run(again)}
        for call in calls:
            unknown = ToolResult(call.id, call.name, OUTCOME_UNKNOWN, "outcome_unknown")
            settled.setdefault(call.id, ToolReturned(result=unknown))
        await self._journal.append([settled[call.id] for call in calls])
        last = self._messages.pop()
        if isinstance(last, ToolMessage):
            results = (settled[old.call_id].result if old.call_id in settled else old for old in last.results)
            self._messages.append(ToolMessage(tuple(results)))

    def _repeatable(self, call: ToolCall) -> bool:
        """Whether running it twice does no more than running it once."""
        tool = self._setup.tools.get(call.name)
        return tool is None or tool.idempotent

    async def _unusable(self, answer: Answer) -> None:
        """A malformed or empty answer is asked for once more; the second one ends the turn."""
        detail = f"the provider reports {answer.response.finish_reason or 'an empty answer'}"
        failed = answer.failed("malformed_output", detail)
        if self._tally.unusable() > 1:
            raise TurnEnded("failed", "malformed_output", f"The model gave no usable answer twice: {detail}.", failed)
        await self._journal.append((failed,))

    async def _finish(self, status: ReplyStatus, text: str, *events: Event, reason: str = "") -> Reply:
        finished = TurnFinished(
            message_id=self.message_id,
            status=status,
            steps=self._tally.steps,
            cost_usd=self._tally.cost,
            reason=reason,
            text="" if status == "done" else text,
        )
        return await self._close(status, text, (*events, finished), reason)

    async def cancelled(self) -> Reply:
        """End the turn without running it further; a reply that is durable already stands."""
        if self._journal.reply is not None:
            return self._journal.reply
        event = TurnCancelled(message_id=self.message_id, steps=self._tally.steps, cost_usd=self._tally.cost)
        return await self._close("cancelled", "Cancelled.", (event,), "cancelled")

    async def _close(self, status: ReplyStatus, text: str, events: tuple[Event, ...], reason: str) -> Reply:
        reply = Reply(
            text=text,
            status=status,
            session_id=self._session_id,
            message_id=self.message_id,
            trace_id=self._trace_id,
            steps=self._tally.steps,
            cost_usd=self._tally.cost,
            usage=self._tally.usage,
            reason=reason,
        )
        await self._journal.finish(events, reply, why=f"Not finished: the turn ended as {status}.")
        return reply
