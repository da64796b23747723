"""A turn as it runs, on a terminal."""

import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TextIO

from emonk.cli.markdown import Flow
from emonk.cli.terminal import dim, one_line, visible
from emonk.messages import ToolCall, ToolResult
from emonk.records import Reply
from emonk.runtime.progress import (
    BudgetLow,
    ContextCompressed,
    ModelRetry,
    ReplyDelta,
    ToolEnded,
    ToolNote,
    ToolStarted,
    TurnEvent,
    TurnReplied,
)

WIDTH = 100


async def watch(events: AsyncGenerator[TurnEvent], stream: TextIO, *, texts: bool) -> Reply:
    """Write what a turn does, line by line; its reply.

    Args:
        events: the turn; to be cancelled while watching cancels it.
        stream: where to write.
        texts: also write what the model says.
    """
    screen = Screen(stream, texts=texts)
    try:
        async with aclosing(events):
            async for event in events:
                screen.show(event)
                if isinstance(event, TurnReplied):
                    return event.reply
    finally:
        screen.settle()
    raise AssertionError("a turn ends with its reply")


class Screen:
    """Writes the events of one turn."""

    def __init__(self, stream: TextIO, *, texts: bool) -> None:
        self._stream = stream
        self._texts = texts
        self._said = ""
        self._flow = Flow(stream)
        self._passing = False
        self._told: set[str] = set()

    def show(self, event: TurnEvent) -> None:
        if not isinstance(event, ModelRetry):
            self.settle()
        match event:
            case ReplyDelta(text=text) if self._texts:
                self._said += text
                self._write(self._flow.feed(visible(text)))
            case ToolStarted(call=call):
                self._line(call_line(call))
            case ToolNote(text=text):
                self._line(f"  {one_line(text, WIDTH)}")
            case ModelRetry():
                self._delay(event)
            case ContextCompressed(before=before, after=after, reason=reason):
                why = f": {one_line(reason)}" if reason else ""
                self._line(f"  the conversation is shortened for the model, {before} to {after} tokens{why}")
            case BudgetLow(text=text):
                self._line(f"  {one_line(text)}")
            case ToolEnded(result=result, seconds=seconds):
                self._line(result_line(result, seconds))
            case TurnReplied(reply=reply) if self._texts:
                self._close(reply)
            case _:
                pass

    def settle(self) -> None:
        """Take away what was to be seen for a while only."""
        if self._passing:
            self._write("\r\x1b[K")
        self._passing = False

    def _delay(self, event: ModelRetry) -> None:
        """Why nothing is said yet: in a line that the next event takes away; off a terminal, once for each model."""
        if self._stream.isatty() and event.retry:
            self._write(self._flow.end())
            self.settle()
            text = one_line(event.text, shutil.get_terminal_size().columns - 1)
            self._write(dim(text, self._stream))
            self._passing = True
        elif self._stream.isatty() or event.model not in self._told:
            self.settle()
            self._line(one_line(event.text))
        self._told.add(event.model)

    def _line(self, text: str) -> None:
        self._write(self._flow.end())
        self._said = ""
        self._write(dim(text, self._stream) + "\n")

    def _close(self, reply: Reply) -> None:
        if self._said.strip() != reply.text.strip():
            self._write(self._flow.end() + self._flow.feed(visible(reply.text)))
        self._write(self._flow.end())
        if reply.status != "done":
            self._line(f"[{reply.status}: {reply.reason}]" if reply.reason else f"[{reply.status}]")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def call_line(call: ToolCall) -> str:
    """A tool call in one line."""
    return one_line(f"\u2192 {call.name}({', '.join(f'{k}={_value(v)}' for k, v in call.arguments.items())})", WIDTH)


def result_line(result: ToolResult, seconds: float) -> str:
    """How a tool call ended, in one line."""
    if result.error:
        return one_line(f"\u2717 {result.name}: {result.error}: {result.content}", WIDTH)
    return one_line(f"\u2713 {result.name} in {seconds:.1f} s", WIDTH)


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
