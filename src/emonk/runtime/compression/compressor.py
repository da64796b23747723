"""What one turn shows its model, kept within the budget before every call."""

import logging
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from emonk.errors import EmonkError
from emonk.events import InboxItem, Logged, ModelSaid, Summarised, ToolReturned, UserSaid
from emonk.messages import AssistantMessage, Message, ToolMessage, ToolResult
from emonk.models.protocol import ModelResponse, Outcome
from emonk.models.tokens import tokens_of_text
from emonk.records import Usage
from emonk.runtime.asking import Asker, ContextOverflow
from emonk.runtime.candidates import Candidate
from emonk.runtime.compression.cut import cut, latest, units_of
from emonk.runtime.compression.digest import digest
from emonk.runtime.compression.shortening import shortened, smaller_limits
from emonk.runtime.compression.size import ContextSize
from emonk.runtime.compression.summary import refusal, request_for
from emonk.runtime.context import messages_of
from emonk.runtime.journal import Journal
from emonk.runtime.progress import ContextCompressed, Emit
from emonk.runtime.setup import Setup
from emonk.runtime.tally import Tally
from emonk.skills.protocol import Runnable

OVERFLOWS = 2
"""How often a turn makes its context shorter because a provider found it too long."""

_WORTH = 0.1
"""Of the budget: what a summary must save at least where the context is too long even with it."""

_LEAST = 60
"""Tokens that extracts take at least."""

_UNUSABLE = frozenset({Outcome.MALFORMED, Outcome.EMPTY, Outcome.BLOCKED})

_log = logging.getLogger("emonk.runtime")


class _Summary(msgspec.Struct, frozen=True):
    """A text that stands for what was said, and what it took to have it."""

    text: str
    model: str = ""
    usage: Usage = Usage()
    cost: Decimal | None = Decimal(0)
    reason: str = ""


class TurnContext:
    """The messages of one turn, from its log.

    Attributes:
        messages: what the model is shown; the same list for as long as the turn lasts.
    """

    def __init__(
        self, setup: Setup, journal: Journal, item: InboxItem, *, asker: Asker, tally: Tally, emit: Emit
    ) -> None:
        self._setup = setup
        self._room = setup.room
        self._journal = journal
        self._asker = asker
        self._tally = tally
        self._emit = emit
        self._item = item
        self._overflows = 0
        self._offered: tuple[Runnable, ...] = tuple(setup.tools.values())
        self.messages = messages_of(journal.events, self._room.shown)
        self._size = self._size_of_log()
        self._in_part = self._is_in_part()

    @property
    def tokens(self) -> int:
        """How large the next request will be, about."""
        return self._size.of(self.messages)

    @property
    def said(self) -> int:
        """How much of that is the conversation: all but what every request has, instructions and tools."""
        return max(0, round(self.tokens - self._room.fixed * self._size.scale))

    @property
    def tools(self) -> tuple[Runnable, ...]:
        """What the model is offered: `read_result` only while there is something to read with it."""
        reader = self._setup.reader
        return (*self._offered, reader) if reader is not None and self._in_part else self._offered

    async def add(self, returned: Sequence[ToolReturned]) -> None:
        """The results of a step. Those that are shown in part are durable when this returns: they can be read."""
        shown = tuple([self._shown(one) for one in returned])
        self.messages.append(ToolMessage(shown))
        if any(one is not whole.result for one, whole in zip(shown, returned, strict=True)):
            self._in_part = True
            await self._journal.flush()

    def reread(self) -> None:
        """Build the messages anew from the log."""
        self.messages[:] = messages_of(self._journal.events, self._room.shown)
        self._size = self._size_of_log()
        self._in_part = self._is_in_part()

    def answered(self, response: ModelResponse) -> None:
        """The model answered what it was shown last."""
        self._size.reported(self.messages, response.usage)
        if response.outcome not in _UNUSABLE:
            self._size.answered(response.message)

    async def fit(self) -> None:
        """Make the context shorter where it exceeds the budget."""
        budget = self._room.budget
        if not self._size.surely_below(self.messages, budget) and self.tokens > budget:
            await self._compress(budget)

    async def fit_after(self, overflow: ContextOverflow) -> bool:
        """Make it much shorter because a provider found it too long; False when that was tried enough, or cannot be."""
        if self._overflows >= OVERFLOWS:
            return False
        self._overflows += 1
        if not await self._compress(min(self._room.budget, self.tokens) // 2):
            return False
        self._journal.note(overflow.ending.events)
        return True

    async def _compress(self, target: int) -> bool:
        """Write summaries into the log until the context fits, or nothing more can be done; whether any was."""
        before, done = self.tokens, None
        while (event := await self._shorter(target)) is not None:
            done = event
            self._journal.note((event,))
            self.reread()
            if event.after <= target:
                break
        if done is not None:
            self._emit(ContextCompressed(before, done.after, done.reason))
        return done is not None

    async def _shorter(self, target: int) -> Summarised | None:
        """The summary that makes the context fit, or shorter; None when it cannot be."""
        events, size = self._journal.events, self._size
        size.learn(self.messages)
        before, previous = size.whole(self.messages), latest(events)
        covered = previous.cutoff if previous else 0
        draft = Summarised(
            text=previous.text if previous else "",
            cutoff=covered,
            before=before,
            shown=previous.shown if previous else 0,
            scale=size.scale,
            request=previous.request if previous else (),
            began=previous.began if previous else 0,
        )
        draft, cut_any = await self._cut(draft, events, target)
        draft, shortened_any = self._shorten(draft, target)
        return draft if cut_any or shortened_any else None

    async def _cut(self, draft: Summarised, events: Sequence[Logged], target: int) -> tuple[Summarised, bool]:
        """Summarise what may be summarised, if that is worth it."""
        units = units_of(events, draft.cutoff)
        end = cut(units, self._room.keep)
        if not end:
            return draft, False
        cutoff = units[end].first - 1
        bare = _at(draft, cutoff, events)
        kept = self._after(bare)
        room = draft.before - kept
        if kept + _LEAST > target and room < _WORTH * target:
            return draft, False
        replaced = [one for one in events if draft.cutoff < one.revision <= cutoff]
        summary = await self._summarise(replaced, draft.text, room, max(_LEAST, target - kept))
        if summary is None:
            return draft, False
        made = msgspec.structs.replace(
            bare,
            text=summary.text,
            model=summary.model,
            usage=summary.usage,
            cost_usd=summary.cost,
            reason=summary.reason,
        )
        made = msgspec.structs.replace(made, after=self._after(made))
        return made, True

    def _shorten(self, draft: Summarised, target: int) -> tuple[Summarised, bool]:
        """Show less of long results where the context is too long even so."""
        whole = self._after(draft)
        best = msgspec.structs.replace(draft, after=whole)
        for limit in smaller_limits(draft.shown or self._room.shown) if whole > target else ():
            tried = msgspec.structs.replace(draft, shown=limit)
            after = self._after(tried)
            if after < best.after:
                best = msgspec.structs.replace(tried, after=after)
            if after <= target:
                break
        return best, best.after < whole

    async def _summarise(self, replaced: Sequence[Logged], earlier: str, room: int, left: int) -> _Summary | None:
        """A text that is smaller than what it stands for; None when there is none.

        Args:
            replaced: the events that it stands for.
            earlier: the summary before, for which it stands too.
            room: the tokens of both.
            left: tokens for which there is room beside what stays.
        """
        plain = [one for one in replaced if not isinstance(one.event, Summarised)]
        messages = messages_of(plain)
        made = await self._ask(messages, earlier)
        if not made.reason and self._tokens_of(made.text) >= room:
            made = msgspec.structs.replace(made, reason="the model's summary is no shorter than what it stands for")
        if made.reason:
            _log.info("session %s: %s; extracts stand for it", self._item.session.session_id, made.reason)
            text = digest(messages, earlier, characters=min(4000, 2 * min(room, left)))
            if self._tokens_of(text) >= room:
                return None
            made = msgspec.structs.replace(made, text=text)
        return made

    async def _ask(self, messages: Sequence[Message], earlier: str) -> _Summary:
        """The summary by the lead model, or the reason why there is none."""
        try:
            candidate = self._asker.summariser()
        except EmonkError as error:
            return _Summary("", reason=f"no model could be asked for a summary: {error.message}")
        spec = candidate.model.spec
        if spec == "offline":
            return _Summary("", reason="the offline model cannot summarise")
        made = await self._ask_one(candidate, messages, earlier)
        self._tally.spend(made.usage, made.cost)
        return made

    async def _ask_one(self, candidate: Candidate, messages: Sequence[Message], earlier: str) -> _Summary:
        request = request_for(messages, earlier, characters=3 * self._room.budget)
        try:
            answer = await self._asker.aside(candidate, request, "summary")
        except EmonkError as error:
            return _Summary("", reason=f"the summary failed: {error.message}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the turn goes on without
            _log.exception("the summary of session %s failed", self._item.session.session_id)
            return _Summary("", reason=f"the summary failed: {type(error).__name__}")
        response = answer.response
        text = response.text.strip()
        return _Summary(text, response.model, response.usage, answer.cost, refusal(response))

    def _after(self, event: Summarised) -> int:
        """How large the context is with that summary."""
        events = self._journal.events
        last = events[-1].revision if events else 0
        return self._size.whole(messages_of([*events, Logged(last + 1, 0, event)], self._room.shown))

    def _tokens_of(self, text: str) -> float:
        return tokens_of_text(text, self._room.family) * self._size.scale

    def _shown(self, returned: ToolReturned) -> ToolResult:
        if len(returned.result.content) <= self._room.shown:
            return returned.result
        call_id = returned.result.call_id
        for logged in reversed(self._journal.events):
            if isinstance(logged.event, ToolReturned) and logged.event.result.call_id == call_id:
                return shortened(returned.result, logged.revision, self._room.shown)
        return returned.result

    def _is_in_part(self) -> bool:
        """Whether something that is shown is not whole."""
        results = [one for one in self._journal.events if isinstance(one.event, ToolReturned)]
        if not results:
            return False
        summary = latest(self._journal.events)
        cutoff, shown = (summary.cutoff, summary.shown) if summary else (0, 0)
        least = min(shown or self._room.shown, self._room.shown)
        return any(
            len(one.event.result.content) > least and one.revision > cutoff
            for one in results
            if isinstance(one.event, ToolReturned)
        )

    def _size_of_log(self) -> ContextSize:
        """From what the log tells of the last answer since the last summary; of the same log always the same."""
        room, summary = self._room, latest(self._journal.events)
        size = ContextSize(room.spec, room.family, room.fixed, scale=summary.scale if summary else 1.0)
        thoughts, answer = 0, None
        for logged in reversed(self._journal.events):
            match logged.event:
                case Summarised():
                    break
                case ModelSaid(usage=usage) as said:
                    if answer is not None:
                        thoughts += usage.reasoning_tokens
                    elif usage.input_tokens:
                        answer = said
                case UserSaid() if answer is not None:
                    break
                case _:
                    continue
        if answer is not None:
            at = _place(self.messages, answer.message)
            if at is not None:
                size.resume(self.messages, at, answer.usage, thoughts)
        return size


def _at(draft: Summarised, cutoff: int, events: Sequence[Logged]) -> Summarised:
    """The draft with a later cutoff and no text yet; the last message of the user stays word for word."""
    request, began = draft.request, draft.began
    for logged in events:
        if isinstance(logged.event, UserSaid) and logged.revision > draft.cutoff:
            covered = logged.revision <= cutoff
            request, began = (logged.event.parts, logged.revision) if covered else ((), 0)
    return msgspec.structs.replace(draft, text="", cutoff=cutoff, request=request, began=began)


def _place(messages: Sequence[Message], answer: AssistantMessage) -> int | None:
    return next((at for at in range(len(messages) - 1, -1, -1) if messages[at] is answer), None)
