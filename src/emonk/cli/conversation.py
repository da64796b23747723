"""A session for a reader: who said what, what the tools did, where the context was cut, and what it cost."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TextIO

import msgspec

from emonk.cli.amounts import counted, span, tokens, usd, when_exactly
from emonk.cli.markdown import rendered
from emonk.cli.progress import call_line, result_line
from emonk.cli.terminal import bold, dim, one_line, visible
from emonk.events import (
    Interrupted,
    Logged,
    ModelSaid,
    Opaque,
    Routed,
    StepFailed,
    Summarised,
    ToolReturned,
    TurnCancelled,
    TurnFinished,
    UserSaid,
)
from emonk.messages import Blob, Foreign, Text, Thinking, ToolCall, ToolResult
from emonk.records import Session, Usage
from emonk.runtime.recorded import RecordedTurn, recorded_turns

SHORT_LINES = 8
SHORT_CHARACTERS = 600
TOLD_CHARACTERS = 60
"""Of an error: so much is in the line that says how a call ended."""

REASON_CHARACTERS = 120

RULE = "\u2500" * 4


class Conversation:
    """Lines for a terminal or a pager. Nothing that was said can steer either: it is shown, not obeyed."""

    def __init__(self, events: Sequence[Logged], stream: TextIO, *, full: bool = False) -> None:
        """Show a log, or a part of it.

        Args:
            events: in their order.
            stream: where the lines will go, which decides about colours.
            full: leave nothing out: whole arguments and results, what models thought, unknown events.
        """
        self._events = events
        self._stream = stream
        self._full = full
        self._turns = {turn.revision: turn for turn in recorded_turns(events)}
        self._turn: RecordedTurn | None = None
        self._in_force = next(
            (
                (logged.revision, logged.event.cutoff)
                for logged in reversed(events)
                if isinstance(logged.event, Summarised) and logged.event.text
            ),
            None,
        )

    def head(self, about: Session) -> Iterator[str]:
        """What is known of the session beside its log."""
        yield self._strong(f"{one_line(about.session_id)}, {one_line(about.agent)}, revision {about.revision}")
        if about.title:
            yield one_line(about.title)
        began, active = when_exactly(about.created_at), when_exactly(about.last_active)
        others = "".join(f", {one_line(user)}" for user in about.participants[1:])
        yield self._faint(f"begun by {one_line(about.user_id)}{others and f' (with{others[1:]})'} {began}")
        yield self._faint(f"last active {active}, {counted(about.message_count, 'message')}")
        size = [f"about {about.token_count:,} tokens"] if about.token_count else []
        if context := ", ".join([*size, *(["a summary first"] if about.context_compressed else [])]):
            yield self._faint(f"the next turn starts from {context}")
        if about.metadata:
            yield self._faint(f"metadata {one_line(msgspec.json.encode(about.metadata).decode())}")

    def lines(self) -> Iterator[str]:
        """The events."""
        for logged in self._events:
            yield from self._of(logged)
            if self._in_force is not None and self._in_force[1] == logged.revision:
                yield ""
                said = f"cut-off: for the model the summary of revision {self._in_force[0]} stands for all up to here"
                yield self._faint(f"{RULE} {said} {RULE}")

    def foot(self) -> Iterator[str]:
        """What all turns came to."""
        turns = list(self._turns.values())
        if len(turns) < 2:
            return
        usage, cost = Usage(), Decimal(0)
        unknown = any(turn.cost_usd is None for turn in turns)
        for turn in turns:
            usage, cost = usage + turn.usage, cost + (turn.cost_usd or 0)
        yield ""
        yield self._faint(f"{counted(len(turns), 'turn')}: {tokens(usage)}, {usd(None if unknown else cost)}")

    def _of(self, logged: Logged) -> Iterator[str]:
        match logged.event:
            case UserSaid() as said:
                self._turn = self._turns.get(logged.revision)
                yield ""
                place = self._faint(f"{when_exactly(logged.at)}, revision {logged.revision}")
                yield f"{self._strong(one_line(said.user_id))} {place}"
                yield from self._parts(said.parts)
            case ModelSaid() as said:
                yield ""
                spent = self._step(logged, said.usage, said.cost_usd)
                yield f"{self._strong(one_line(said.model))} {self._faint(spent)}"
                yield from self._parts(said.message.parts)
            case ToolReturned(result=result, seconds=seconds):
                yield self._faint(result_line(result, seconds))
                yield from self._result(result)
            case Summarised(text=text) as summary:
                yield ""
                if not text:
                    yield self._faint(f"{RULE} long results up to here are shown in part {RULE}")
                    return
                yield self._faint(f"{RULE} {_summary_line(logged.revision, summary)} {RULE}")
                yield from self._long(text)
            case event:
                yield from self._ending(logged, event)

    def _ending(self, logged: Logged, event: object) -> Iterator[str]:
        match event:
            case TurnFinished(status=status, reason=reason, text=text):
                if text:
                    yield ""
                    yield self._strong("emonk")
                    yield rendered(text, self._stream)
                yield self._faint(self._end(logged, f"{status}: {reason}" if reason else status))
            case TurnCancelled():
                yield self._faint(self._end(logged, "cancelled"))
            case Interrupted(text=text, code=code, message=message):
                yield rendered(text, self._stream)
                yield self._faint(f"[broken off: {one_line(code)}: {one_line(message)}]")
            case StepFailed(model=model, code=code, message=message, usage=usage, cost_usd=cost):
                spent = f"; {tokens(usage)}, {usd(cost)}" if usage != Usage() or cost != 0 else ""
                yield self._faint(f"[{one_line(model)} failed: {one_line(code)}: {one_line(message)}{spent}]")
            case Routed() as routed:
                yield self._faint(_routed_line(routed))
            case Opaque(kind=kind, data=data):
                what = (
                    f"revision {logged.revision}: an event of kind {one_line(kind)}, which this version does not know"
                )
                yield self._faint(f"[{what}]")
                if self._full:
                    yield from self._indented(msgspec.json.encode(data).decode())
            case _:
                pass

    def _step(self, logged: Logged, usage: Usage, cost: Decimal | None) -> str:
        after = f"after {span(logged.at - self._turn.at)}, " if self._turn is not None else ""
        return f"{after}{tokens(usage)}, {usd(cost)}"

    def _end(self, logged: Logged, status: str) -> str:
        turn = self._turn
        if turn is None:
            return f"[{one_line(status)}]"
        took = span(logged.at - turn.at)
        spent = f"{counted(turn.steps, 'step')}, {tokens(turn.usage)}, {usd(turn.cost_usd)}, {took}"
        return f"[{one_line(status)}; {spent}]"

    def _parts(self, parts: Sequence[object]) -> Iterator[str]:
        text = "".join(part.text for part in parts if isinstance(part, Text))
        for part in parts:
            if self._full and isinstance(part, Thinking):
                yield self._faint("thinking:")
                yield from self._indented(part.text)
        if text:
            yield rendered(text, self._stream)
        for part in parts:
            match part:
                case Blob(mime_type=kind, data=data):
                    yield self._faint(f"[{one_line(kind)}, {len(data):,} bytes]")
                case Foreign(provider=provider, data=data) if self._full:
                    yield self._faint(f"[a part that only {one_line(provider)} understands]")
                    yield from self._indented(msgspec.json.encode(data).decode())
                case ToolCall():
                    yield from self._call(part)
                case _:
                    pass

    def _call(self, call: ToolCall) -> Iterator[str]:
        yield self._faint(call_line(call))
        if call.malformed is not None:
            yield self._faint("  its arguments are no JSON object:")
            yield from self._long(call.malformed)
        elif self._full and call.arguments:
            yield from self._indented(msgspec.json.format(msgspec.json.encode(call.arguments), indent=2).decode())

    def _result(self, result: ToolResult) -> Iterator[str]:
        told = result.error and len(result.content) <= TOLD_CHARACTERS and "\n" not in result.content
        if result.content and not told:
            yield from self._long(result.content)

    def _long(self, text: str) -> Iterator[str]:
        """The text, its end left out where it is long and not everything was asked for."""
        if self._full:
            yield from self._indented(text)
            return
        lines = text[:SHORT_CHARACTERS].splitlines()[:SHORT_LINES]
        shown = "\n".join(lines)
        yield from self._indented(shown)
        left = len(text.rstrip()) - len(shown)
        if left > 0:
            yield self._faint(f"  \u2026 {left:,} more characters: --full shows them")

    def _indented(self, text: str) -> Iterator[str]:
        yield from (self._faint(f"  {line}") for line in visible(text).split("\n"))

    def _strong(self, text: str) -> str:
        return bold(text, self._stream)

    def _faint(self, text: str) -> str:
        return dim(text, self._stream)


def _routed_line(routed: Routed) -> str:
    task = f"a {one_line(routed.complexity)} task, {one_line(routed.phase)}: " if routed.complexity else ""
    return f"[{task}{one_line(routed.role)} {one_line(routed.model)}; {one_line(routed.reason, REASON_CHARACTERS)}]"


def _summary_line(revision: int, summary: Summarised) -> str:
    sizes = f"{summary.before:,} to {summary.after:,} tokens" if summary.before and summary.after else ""
    known = "; ".join(filter(None, (sizes, one_line(summary.reason, REASON_CHARACTERS))))
    return f"summary, revision {revision}, of all up to revision {summary.cutoff}{known and f' ({known})'}"
