"""A Gemini answer as it comes together, and what it means."""

from collections.abc import Mapping

from emonk.messages import AssistantMessage, AssistantPart
from emonk.models.gemini.errors import failure, read_status
from emonk.models.gemini.wire import PROVIDER, Body, is_lost, join_parts, read_part, read_usage
from emonk.models.outcome import outcome_of
from emonk.models.protocol import ModelResponse, Outcome
from emonk.records import Usage

OUTCOMES: Mapping[str, Outcome] = {
    "MAX_TOKENS": Outcome.TRUNCATED,
    "CONTINUATION": Outcome.TRUNCATED,
    "MALFORMED_FUNCTION_CALL": Outcome.MALFORMED,
    "UNEXPECTED_TOOL_CALL": Outcome.MALFORMED,
    "TOO_MANY_TOOL_CALLS": Outcome.MALFORMED,
    "MISSING_THOUGHT_SIGNATURE": Outcome.MALFORMED,
    "MALFORMED_RESPONSE": Outcome.MALFORMED,
    "SAFETY": Outcome.BLOCKED,
    "RECITATION": Outcome.BLOCKED,
    "LANGUAGE": Outcome.BLOCKED,
    "BLOCKLIST": Outcome.BLOCKED,
    "PROHIBITED_CONTENT": Outcome.BLOCKED,
    "SPII": Outcome.BLOCKED,
    "IMAGE_SAFETY": Outcome.BLOCKED,
    "IMAGE_PROHIBITED_CONTENT": Outcome.BLOCKED,
    "IMAGE_RECITATION": Outcome.BLOCKED,
    "MODEL_ARMOR": Outcome.BLOCKED,
    "ESCALATION": Outcome.BLOCKED,
    "PUP_LIMITED_DISABLED": Outcome.BLOCKED,
}
"""Finish reasons that say more than the content does; the others (`STOP`, `OTHER`, `NO_IMAGE`, ...) leave it to that.

https://ai.google.dev/api/generate-content#FinishReason, and Vertex AI's own.
"""


class Answer:
    """An answer from one body, or from the chunks of a stream.

    Attributes:
        finish_reason: the last that was said; empty as long as the answer goes on.
    """

    def __init__(self, model: str) -> None:
        """Begin an answer of the model that was asked for."""
        self.finish_reason = ""
        self._asked = model
        self._model = model
        self._id = ""
        self._usage = Usage()
        self._parts: list[AssistantPart] = []
        self._blocked = False
        self._lost = False

    def add(self, body: Body) -> list[AssistantPart]:
        """Take in a body, and give the parts it added.

        Raises:
            InfraError: the body is an error.
            ConfigError: the body is an error that a human must act on.
        """
        if body.error is not None:
            rpc = read_status(body.error)
            raise failure(rpc.code or 500, rpc, model=self._asked)
        candidate = body.candidate
        reason = body.block_reason if candidate is None else candidate.finish_reason
        self.finish_reason = reason or self.finish_reason
        self._blocked = self._blocked or (bool(reason) and candidate is None)
        self._model = body.model_version or self._model
        self._id = body.response_id or self._id
        if body.usage_metadata:
            self._usage = read_usage(body.usage_metadata)
        content = candidate and candidate.content
        parts: list[AssistantPart] = []
        for wire in (content and content.parts) or ():
            part = read_part(wire)
            if part is not None:
                parts.append(part)
            elif is_lost(wire):
                self._lost = True
        self._parts += parts
        return parts

    def response(self) -> ModelResponse:
        """What has come so far, as a whole."""
        message = AssistantMessage(join_parts(self._parts), PROVIDER)
        word = Outcome.BLOCKED if self._blocked else OUTCOMES.get(self.finish_reason)
        return ModelResponse(
            message=message,
            outcome=outcome_of(message, word, lost=self._lost),
            finish_reason=self.finish_reason,
            usage=self._usage,
            model=self._model,
            response_id=self._id,
        )
