"""An answer of Anthropic's from one body, and what it means."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from emonk.errors import Unavailable
from emonk.messages import AssistantMessage, AssistantPart, Text, ToolCall
from emonk.models.anthropic.conversation import PROVIDER
from emonk.models.anthropic.request import ANSWER_TOOL
from emonk.models.anthropic.usage import read_usage
from emonk.models.anthropic.wire import is_lost, read_block
from emonk.models.fields import as_list, as_object, as_text
from emonk.models.outcome import outcome_of
from emonk.models.protocol import ModelResponse, Outcome

Json = dict[str, Any]

OUTCOMES: Mapping[str, Outcome] = {
    "max_tokens": Outcome.TRUNCATED,
    "model_context_window_exceeded": Outcome.TRUNCATED,
    "pause_turn": Outcome.TRUNCATED,
    "refusal": Outcome.BLOCKED,
}
"""Stop reasons that say more than the content does; the others leave it to that.

https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons. A paused turn is one that is not over.
"""

_to_json = msgspec.json.Encoder(enc_hook=repr).encode


class Asked(msgspec.Struct, frozen=True):
    """What of a request its answer is read by.

    Attributes:
        model: the model's name.
        names: what tools are called here that were sent under another name.
        answer_tool: the answer comes as a call of `ANSWER_TOOL`.
        answer_key: its argument that is the answer; all of them are when empty.
    """

    model: str
    names: Mapping[str, str] = {}
    answer_tool: bool = False
    answer_key: str = ""


def response_of(body: Json, asked: Asked) -> ModelResponse:
    """A whole answer.

    Raises:
        Unavailable: `malformed_body`: it is none of Anthropic's.
    """
    if "content" not in body and "stop_reason" not in body:
        raise Unavailable(f"Anthropic ({asked.model}) sent something that is no answer", code="malformed_body")
    reason = as_text(body.get("stop_reason"))
    blocks = [as_object(block) for block in as_list(body.get("content"))]
    parts: list[AssistantPart] = []
    lost = False
    for index, block in enumerate(blocks):
        cut = index == len(blocks) - 1 and OUTCOMES.get(reason) is Outcome.TRUNCATED
        part = read_block(block, asked.names, complete=not cut)
        if part is not None:
            parts.append(part)
        else:
            lost = lost or is_lost(block)
    return whole(body, parts, asked, lost=lost)


def whole(body: Json, parts: Sequence[AssistantPart], asked: Asked, *, lost: bool) -> ModelResponse:
    """A response of parts and the fields beside them."""
    if asked.answer_tool:
        parts = [_as_answer(part, asked.answer_key) for part in parts]
    message = AssistantMessage(tuple(parts), PROVIDER, asked.model)
    reason = as_text(body.get("stop_reason"))
    return ModelResponse(
        message=message,
        outcome=outcome_of(message, OUTCOMES.get(reason), lost=lost),
        finish_reason=reason,
        usage=read_usage(body.get("usage")),
        model=as_text(body.get("model")) or asked.model,
        response_id=as_text(body.get("id")),
    )


def _as_answer(part: AssistantPart, key: str) -> AssistantPart:
    """The call that is the answer, as the text it stands for."""
    if not isinstance(part, ToolCall) or part.name != ANSWER_TOOL:
        return part
    if part.malformed is not None:
        return Text(part.malformed)
    return Text(_to_json(part.arguments.get(key) if key else part.arguments).decode())
