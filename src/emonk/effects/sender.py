"""Sends the effects of a turn: durable before a tool is entered, at most once, looked up where nobody knows."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from emonk.clock import Clock, timestamp
from emonk.effects.ledger import EffectLedger, Journal, is_open
from emonk.effects.outcome import did_not_act
from emonk.effects.reconcile import NOT_DONE, ask, settled_by
from emonk.effects.state import Reason, move
from emonk.errors import ConfigError, EmonkError, InfraError, OutcomeUnknown
from emonk.messages import ToolCall
from emonk.records import Effect, EffectState
from emonk.skills.effect import Finding, Happened, Identity, NotHappened, ToolEffect
from emonk.skills.protocol import Context, Runnable

ALREADY: Final = "\n[This had been done already for this message. It was not done again.]"
BEFORE: Final = "\n[This had happened already, for an earlier message. It was not done again.]"
NOT_RUN: Final = "not_run"

DONE_BEFORE: Final = "done_for_an_earlier_message"
"""The code of an effect that was not sent, as the same call had happened; its content is that one's result."""

MAY_HAVE_ACTED: Final = (
    "This call was not made: {tool} was called with the same arguments for an earlier message, and nobody knows whether"
    " that acted. Do not repeat it; tell the user. A person who has looked can settle it: emonk effects settle {key}"
    " --happened, or --did-not-happen. After that it may be called."
)
KEY_SHOWN = 12
"""Digits of a key that a person is told."""

_log = logging.getLogger("emonk.effects")


class Answer(msgspec.Struct, frozen=True):
    """What the model is told of an effect; `error` is a code where it did not succeed."""

    content: str
    error: str | None = None


class Sending(msgspec.Struct):
    """A call on its way: the context is its tool's, `run` enters it, and `error_text` words its errors.

    `looks` is the context in which an effect of an earlier turn is looked up.
    """

    context: Callable[[str, Callable[[str], None]], Context]
    looks: Callable[[Effect], Context]
    run: Callable[[Context], Awaitable[str]]
    error_text: Callable[[BaseException], str]


class _Plan(msgspec.Struct):
    """What is to be done about a call.

    Attributes:
        new: its row where there is none yet.
        error: why it cannot be sent at all.
        sends: the row is `sending` because of this call.
        holds: what the same call did for an earlier message has to be found out before this one is sent.
        recovers: the call was in the log already when the turn went on after a crash.
        remote_id: what the tool said that the outside knows it by.
    """

    call: ToolCall
    tool: ToolEffect
    new: Effect
    error: Exception | None = None
    sends: bool = False
    holds: bool = False
    recovers: bool = False
    remote_id: str = ""

    @property
    def key(self) -> str:
        return self.new.key


class EffectSender:
    """The effects of one turn.

    `entered` holds the ids of the calls whose tool was entered; the dispatcher adds to it.
    """

    def __init__(
        self,
        ledger: EffectLedger,
        journal: Journal,
        *,
        clock: Clock,
        entered: set[str],
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._clock = clock
        self._entered = entered
        self._plans: list[_Plan] = []
        self._locks: dict[str, asyncio.Lock] = {}

    async def prepare(self, calls: Sequence[tuple[ToolCall, Runnable, ToolEffect]], *, recovers: bool = False) -> None:
        """Begin a step: have the rows of its calls written as `sending` with the events that are noted next.

        A call whose row says that it acted, or may have, is not sent again. One that may have acted for an earlier
        message stays `prepared` until that is looked up. With `recovers` the calls are those that a crash left open, of
        which nothing is decided before they run.

        Raises:
            InfraError, ConfigError: the store could not be asked; nothing is to be written.
        """
        self._plans = [self._planned(call, tool, effect) for call, tool, effect in calls]
        if any(plan.error is None for plan in self._plans):
            await self._ledger.look()
        for plan in self._plans:
            if plan.error is None:
                await self._ledger.find(plan.key)
        for plan in self._plans:
            if plan.error is None:
                plan.recovers = recovers
                self._open(plan)

    def _planned(self, call: ToolCall, tool: Runnable, effect: ToolEffect) -> _Plan:
        try:
            identity = effect.identity(call.arguments)
            key = self._ledger.key(tool.name, identity)
            new = self._ledger.checked(self._ledger.new(key, tool.name, identity, self._now()))
        except Exception as error:  # noqa: BLE001 - told to the model when the call's turn comes; the others go on
            return _Plan(call, effect, self._ledger.new("", tool.name, Identity("", {}), 0), error=error)
        return _Plan(call, effect, new)

    def _open(self, plan: _Plan) -> None:
        found = self._ledger.known(plan.key)
        if plan.recovers:
            if found is None:
                # Logged by another version, or before the tool was an effect: it may have acted.
                self._ledger.adopt(move(plan.new, EffectState.SENDING, self._now()))
        elif found is None or _may_go(found):
            if self._ledger.earlier(plan.new):
                plan.holds = not any(other.holds for other in self._plans if other.key == plan.key)
                if found is None:
                    self._ledger.write(plan.new)
            else:
                self._moved(found or plan.new, EffectState.SENDING, reason=_reason(found))
                plan.sends = True

    async def result(self, call: ToolCall, sending: Sending) -> Answer:
        """Send the effect, or say what became of it; the row is written with the event that the caller notes next.

        Raises:
            OutcomeUnknown: nobody knows whether it acted.
            Exception: the tool's own error, which says that it did not act.
            asyncio.CancelledError: the turn was cut off; see `cut_off`.
        """
        plan = self._plan(call)
        if plan.error is not None:
            raise plan.error
        async with self._locks.setdefault(plan.key, asyncio.Lock()):
            effect = self._row(plan)
            if plan.recovers:
                return await self._recovered(plan, effect, sending)
            if plan.holds:
                plan.holds = False
                return await self._again(plan, effect, sending, _reason(effect))
            if plan.sends:
                plan.sends = False
                return await self._sent(plan, effect, sending)
            return _recorded(effect, ALREADY)

    def cut_off(self, call: ToolCall, status: str) -> Answer | None:
        """What is told of a call that is open when the turn ends; None when it never came to have a row."""
        plan = next((plan for plan in self._plans if plan.call is call and plan.error is None), None)
        if plan is None:
            return None
        effect = self._row(plan)
        ended = f"Not finished: the turn ended as {status}."
        if effect.state is EffectState.SENDING:
            entered = plan.recovers or any(
                other.call.id in self._entered for other in self._plans if other.key == plan.key
            )
            state = EffectState.UNKNOWN if entered else EffectState.REJECTED
            error = OutcomeUnknown.default_code if entered else NOT_RUN
            effect = self._moved(effect, state, content=ended, error=error, remote_id=plan.remote_id)
        elif effect.state is EffectState.PREPARED:
            effect = self._moved(effect, EffectState.CANCELLED, content=ended, error=NOT_RUN)
        try:
            return _recorded(effect, "")
        except OutcomeUnknown:
            return Answer(ended, OutcomeUnknown.default_code)

    async def _sent(self, plan: _Plan, effect: Effect, sending: Sending) -> Answer:
        """One attempt; its row is durable as `sending`."""
        context = sending.context(plan.key, lambda remote_id: _note(plan, remote_id))
        try:
            content = await sending.run(context)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return await self._failed(plan, effect, error, sending)  # something inside was cancelled, not the turn
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the row must say what is known
            return await self._failed(plan, effect, error, sending)
        self._moved(effect, EffectState.DONE, content=content, remote_id=plan.remote_id)
        return Answer(content)

    async def _failed(self, plan: _Plan, effect: Effect, error: BaseException, sending: Sending) -> Answer:
        text = sending.error_text(error)
        code = error.code if isinstance(error, EmonkError) else "tool_failed"
        # What has told its id is there, whatever goes wrong after it.
        if plan.call.id not in self._entered or (did_not_act(error) and not plan.remote_id):
            self._moved(effect, EffectState.REJECTED, content=text, error=code)
            raise error
        _log.warning("effect %s of tool %s was cut off", effect.key, effect.tool, exc_info=error)
        finding = await self._ask(plan, effect, sending)
        match finding:
            case Happened():
                self._found(effect, finding)
                return Answer(finding.content)
            case NotHappened():
                self._moved(effect, EffectState.REJECTED, reason=Reason.RECONCILED, content=text, error=code)
                return Answer(f"It did not happen: {text}\nIt may be called again.", NOT_DONE)
            case None:
                self._moved(effect, EffectState.UNKNOWN, content=text, error=code, remote_id=plan.remote_id)
                raise OutcomeUnknown(text) from error

    async def _recovered(self, plan: _Plan, effect: Effect, sending: Sending) -> Answer:
        """A call that a crash left open: what is done is not done again, what may be done is looked up first."""
        plan.recovers = False
        if effect.state is EffectState.PREPARED:
            self._entered.discard(plan.call.id)
            return await self._again(plan, effect, sending, Reason.SENDER)
        if not is_open(effect):
            return _recorded(effect, "")
        finding = await self._ask(plan, effect, sending)
        match finding:
            case Happened():
                self._found(effect, finding)
                return Answer(finding.content)
            case NotHappened():
                self._entered.discard(plan.call.id)
                return await self._again(plan, effect, sending, Reason.RECONCILED)
            case None:
                if effect.state is EffectState.SENDING:
                    self._moved(effect, EffectState.UNKNOWN, error=OutcomeUnknown.default_code)
                raise OutcomeUnknown("the process ended while it ran")

    async def _again(self, plan: _Plan, effect: Effect, sending: Sending, reason: Reason) -> Answer:
        """The next attempt, with its row durable before it, unless the same call acted for an earlier message."""
        for earlier in self._ledger.earlier(effect):
            known = await self._looked_up(plan, earlier, sending)
            if known.state is EffectState.DONE:
                return self._not_sent(effect, reason, known.content + BEFORE, DONE_BEFORE)
            if is_open(known):
                text = MAY_HAVE_ACTED.format(tool=known.tool, key=known.key[:KEY_SHOWN])
                return self._not_sent(effect, reason, text, OutcomeUnknown.default_code)
        effect = self._moved(effect, EffectState.SENDING, reason=reason)
        await self._journal.flush()
        return await self._sent(plan, effect, sending)

    async def _looked_up(self, plan: _Plan, earlier: Effect, sending: Sending) -> Effect:
        """An effect of an earlier turn as it is after a look at the outside, or as somebody said meanwhile."""
        finding = await ask(plan.tool, earlier, sending.looks(earlier))
        try:
            earlier = await self._ledger.reread(earlier.key)
        except (InfraError, ConfigError):
            _log.exception("effect %s could not be read", earlier.key)
            return earlier
        if not is_open(earlier):
            return earlier
        settled = settled_by(earlier, finding, self._now())
        if settled is not None:
            return self._ledger.write(settled)
        if earlier.state is EffectState.SENDING:  # its turn is over: from now on a person can settle it
            return self._moved(earlier, EffectState.UNKNOWN, error=OutcomeUnknown.default_code)
        return earlier

    def _not_sent(self, effect: Effect, reason: Reason, content: str, error: str) -> Answer:
        state = EffectState.CANCELLED if effect.state is EffectState.PREPARED else EffectState.REJECTED
        self._moved(effect, state, reason=reason, content=content, error=error)
        return Answer(content, None if error == DONE_BEFORE else error)

    async def _ask(self, plan: _Plan, effect: Effect, sending: Sending) -> Finding:
        known = msgspec.structs.replace(effect, remote_id=plan.remote_id or effect.remote_id)
        return await ask(plan.tool, known, sending.context(plan.key, lambda _: None))

    def _found(self, effect: Effect, found: Happened) -> None:
        self._moved(
            effect, EffectState.DONE, reason=Reason.RECONCILED, content=found.content, remote_id=found.remote_id
        )

    def _moved(
        self,
        effect: Effect,
        state: EffectState,
        *,
        reason: Reason = Reason.SENDER,
        content: str = "",
        error: str = "",
        remote_id: str = "",
    ) -> Effect:
        return self._ledger.write(
            move(effect, state, self._now(), reason=reason, content=content, error=error, remote_id=remote_id)
        )

    def _plan(self, call: ToolCall) -> _Plan:
        """By the call itself: two calls of one step may have the same id, and different arguments."""
        return next(plan for plan in self._plans if plan.call is call)

    def _row(self, plan: _Plan) -> Effect:
        return self._ledger.known(plan.key) or plan.new

    def _now(self) -> int:
        return timestamp(self._clock)


def _note(plan: _Plan, remote_id: str) -> None:
    plan.remote_id = str(remote_id)


def _may_go(effect: Effect) -> bool:
    """A new call may send it."""
    rejected = effect.state is EffectState.REJECTED and effect.error != DONE_BEFORE
    return rejected or effect.state is EffectState.PREPARED


def _reason(effect: Effect | None) -> Reason:
    return Reason.CALLED if effect is not None and effect.state is EffectState.REJECTED else Reason.SENDER


def _recorded(effect: Effect, note: str) -> Answer:
    match effect.state:
        case EffectState.DONE:
            return Answer(effect.content + note)
        case EffectState.REJECTED | EffectState.CANCELLED if effect.error == DONE_BEFORE:
            return Answer(effect.content)
        case EffectState.REJECTED | EffectState.CANCELLED | EffectState.EXPIRED:
            return Answer(effect.content, effect.error or NOT_RUN)
        case _:
            raise OutcomeUnknown(f"{effect.tool} was called with these arguments before, and may have acted")
