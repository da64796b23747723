"""What a session's log is made of: tagged, versioned structs.

An event is written once and never changed. A reader that does not know a kind keeps it as `Opaque`.
A field may be added with a default; any other change is a new kind.
"""

from decimal import Decimal
from typing import Any, get_args

import msgspec

from emonk.messages import AssistantMessage, ToolResult, UserPart
from emonk.records import ReplyStatus, SessionKey, Usage


class TaskHints(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a caller says of a task, for routing; what is left out is not known.

    Attributes:
        complexity: `simple`, `moderate` or `complex`: there is nothing left to assess.
        type: such as `skill_call`, `factual_qa` or `format_response`.
        context_length: tokens of what was said before.
        requires_reasoning: it takes thinking.
        steps: of how many it consists.
        required_tool: the tool that has to be called before there is an answer.
    """

    complexity: str = ""
    type: str = ""
    context_length: float | None = None
    requires_reasoning: bool = False
    steps: int = 0
    required_tool: str = ""


class UserSaid(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="user_message", tag_field="kind"
):
    """A message of a user opens a turn.

    A `patient` one waits for a language model rather than be answered by rules; `lead` asks the lead model at once.
    `hints` say how hard it is.
    `purpose` is what its calls are billed for where that is not a turn: `execute`.
    """

    message_id: str
    user_id: str
    trace_id: str
    parts: tuple[UserPart, ...]
    patient: bool = False
    lead: bool = False
    hints: TaskHints | None = None
    purpose: str = ""


class ModelSaid(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="model_message", tag_field="kind"):
    """A model's answer to one call, whole; `cost_usd` is None when its price is not known."""

    message: AssistantMessage
    model: str
    finish_reason: str
    usage: Usage
    cost_usd: Decimal | None


class ToolReturned(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="tool_result", tag_field="kind"
):
    """A tool call came to an end; `seconds` is how long it ran.

    `correctable` says that it failed by the model's own making: with other arguments it might have succeeded.
    """

    result: ToolResult
    seconds: float = 0.0
    correctable: bool = False


class Summarised(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="summary", tag_field="kind"
):
    """Stands for every event up to and including revision `cutoff`; without a text it only shortens results.

    Attributes:
        model: who wrote the text, with what that took; empty for extracts.
        reason: why they are extracts.
        before: estimated tokens of the context before this, and `after` it.
        shown: characters that are shown of each result up to here; 0 for the usual.
        scale: by which estimates of the whole are corrected from here on.
        request: what the turn's user said, word for word, when `cutoff` covers it, and `began`, its revision.
    """

    text: str
    cutoff: int
    model: str = ""
    usage: Usage = Usage()
    cost_usd: Decimal | None = Decimal(0)
    reason: str = ""
    before: int = 0
    after: int = 0
    shown: int = 0
    scale: float = 1.0
    request: tuple[UserPart, ...] = ()
    began: int = 0


class Interrupted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="interrupted", tag_field="kind"):
    """A streamed answer broke off after its first delta; `text` is what was shown."""

    text: str
    code: str
    message: str


class StepFailed(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="step_failed", tag_field="kind"):
    """A model call gave nothing usable."""

    model: str
    code: str
    message: str
    usage: Usage = Usage()
    cost_usd: Decimal | None = Decimal(0)


class Routed(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="routed", tag_field="kind"):
    """From here on this model answers, until the next of these says otherwise.

    Attributes:
        role: of the model, `lead`, `worker` or `fallback`.
        reason: why it is this one.
        complexity: of the turn's task; empty where there is no worker, and nothing was assessed.
        phase: `planning` and `escalated` are the lead's, `work` is the worker's, `asked` is the lead's since the user
            wants it; another role in the same phase stands in.
    """

    role: str
    model: str
    reason: str
    complexity: str = ""
    phase: str = "work"


class TurnFinished(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="turn_finished", tag_field="kind"):
    """A turn ended with a reply."""

    message_id: str
    status: ReplyStatus
    steps: int
    cost_usd: Decimal | None
    reason: str = ""
    text: str = ""


class TurnCancelled(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="turn_cancelled", tag_field="kind"):
    """A turn was ended from outside before it had a reply."""

    message_id: str
    steps: int
    cost_usd: Decimal | None


class Opaque(msgspec.Struct, frozen=True, gc=False):
    """An event of a kind that this version does not know, as it was written."""

    kind: str
    data: dict[str, Any]


KnownEvent = (
    UserSaid | ModelSaid | ToolReturned | Summarised | Interrupted | StepFailed | Routed | TurnFinished | TurnCancelled
)
Event = KnownEvent | Opaque


class Logged(msgspec.Struct, frozen=True, gc=False):
    """An event in its place: `at` is UTC microseconds."""

    revision: int
    at: int
    event: Event


class InboxItem(msgspec.Struct, frozen=True, gc=False):
    """An event that was accepted for a session and is not yet in its log.

    `message_id` names it once and for all: the same one again is a repetition.
    """

    session: SessionKey
    message_id: str
    user_id: str
    event: Event
    accepted_at: int = 0


_KNOWN_KINDS = frozenset(str(kind.__struct_config__.tag) for kind in get_args(KnownEvent))
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(KnownEvent)


def encode(event: Event) -> bytes:
    """The event as JSON, its kind under `kind`."""
    return _encoder.encode(event.data if isinstance(event, Opaque) else event)


def decode(data: bytes) -> Event:
    """The event that `encode` wrote, by this version or another."""
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError:
        fields = msgspec.json.decode(data, type=dict[str, Any])
        kind = str(fields.get("kind", ""))
        if kind in _KNOWN_KINDS:
            raise
        return Opaque(kind, fields)
