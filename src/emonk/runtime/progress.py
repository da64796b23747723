"""What a watcher of a turn sees while it runs. Deltas and notes are not kept; whole messages are in the log."""

from collections.abc import Callable

import msgspec

from emonk.messages import ToolCall, ToolResult
from emonk.records import Reply


class MessageAccepted(msgspec.Struct, frozen=True):
    """The message is durable."""

    session_id: str
    message_id: str
    trace_id: str


class ReplyDelta(msgspec.Struct, frozen=True):
    """More of the text that the model is saying."""

    text: str


class ToolStarted(msgspec.Struct, frozen=True):
    """A tool call begins."""

    call: ToolCall


class ToolNote(msgspec.Struct, frozen=True):
    """A running tool says how far it is."""

    call_id: str
    text: str


class ToolEnded(msgspec.Struct, frozen=True):
    """A tool call came to an end; `seconds` is how long it ran."""

    result: ToolResult
    seconds: float


class ModelRetry(msgspec.Struct, frozen=True):
    """A model did not answer. `retry` counts how often it is asked again, 0 when somebody else is."""

    model: str
    retry: int
    text: str


class ContextCompressed(msgspec.Struct, frozen=True):
    """The conversation had become too long, and what is shown of it to the model was made shorter.

    Attributes:
        before: estimated tokens, and `after`.
        reason: why no model wrote the summary; empty when one did, or none was needed.
    """

    before: int
    after: int
    reason: str = ""


class BudgetLow(msgspec.Struct, frozen=True):
    """A budget is nearly used up; it is told once in each period.

    Attributes:
        name: of the setting: `usd` of the turn, `session_usd`, `user_day_usd` or `agent_month_usd`.
    """

    name: str
    text: str


class TurnReplied(msgspec.Struct, frozen=True):
    """The turn's reply; nothing follows."""

    reply: Reply


TurnEvent = (
    MessageAccepted
    | ReplyDelta
    | ToolStarted
    | ToolNote
    | ToolEnded
    | ModelRetry
    | ContextCompressed
    | BudgetLow
    | TurnReplied
)

Emit = Callable[[TurnEvent], None]
"""Shows an event to whoever watches."""
