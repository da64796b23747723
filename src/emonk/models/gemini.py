"""The Gemini API."""

import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing
from functools import partial
from urllib.parse import quote

from emonk.errors import Unavailable
from emonk.messages import AssistantMessage, AssistantPart, Blob, Text, Thinking
from emonk.models.gemini_errors import failure, read_failure, read_status
from emonk.models.gemini_wire import Body, RequestWriter, join_parts, read_body, read_part, read_usage
from emonk.models.http import HttpClient, check_key
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse, Outcome, TextDelta, ThinkingDelta
from emonk.models.sse import EventParser
from emonk.records import Usage

BASE_URL = "https://generativelanguage.googleapis.com"

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


class GeminiModel:
    """A model behind `generateContent` and `streamGenerateContent`."""

    def __init__(self, name: str, *, api_key: str, base_url: str = BASE_URL, timeout: float = 300.0) -> None:
        """Talk to the model `name`.

        Args:
            name: as Google names it, with or without `models/`.
            api_key: sent as `x-goog-api-key`. A local stand-in wants one too; it takes any.
            base_url: where the API is; `/v1beta` is added unless it ends in a version.
            timeout: seconds of silence after which a call is given up; the whole call has the caller's deadline.

        Raises:
            MissingCredential: the key is empty, or holds what no key holds.
            InvalidConfig: `base_url` is no HTTP address.
        """
        api_key = check_key(api_key, "GEMINI_API_KEY")
        self._name = name
        self._http = HttpClient(
            base_url,
            headers={"x-goog-api-key": api_key},
            secret=api_key,
            silence=timeout,
            read_error=partial(read_failure, model=name),
        )
        version = "" if base_url.rstrip("/").rpartition("/")[2] in {"v1", "v1beta", "v1alpha"} else "/v1beta"
        self._path = f"{version}/{quote(name if '/' in name else f'models/{name}')}"
        self._writer = RequestWriter()

    @classmethod
    def from_environment(cls, name: str, *, api_key: str | None = None, base_url: str | None = None) -> "GeminiModel":
        """The model with what is not given taken from `GEMINI_API_KEY` and `EMONK_GEMINI_BASE_URL`.

        Raises:
            MissingCredential: there is no key; a base URL on loopback does not change that.
            InvalidConfig: the base URL is no HTTP address.
        """
        return cls(
            name,
            api_key=api_key or os.environ.get("GEMINI_API_KEY", ""),
            base_url=base_url or os.environ.get("EMONK_GEMINI_BASE_URL") or BASE_URL,
        )

    @property
    def spec(self) -> str:
        return f"gemini:{self._name}"

    async def generate(self, request: ModelRequest) -> ModelResponse:
        """Ask for a whole answer.

        Raises:
            InfraError: the provider cannot serve; `malformed_body` when its answer cannot be read.
            ConfigError: a human must act; `context_overflow` when the request is too long for the model.
        """
        body = read_body(await self._http.post(f"{self._path}:generateContent", self._writer.write(request)))
        answer = _Answer(self._name)
        answer.add(body)
        return answer.response()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """Ask for an answer in pieces; the last one is the whole answer.

        Raises:
            InfraError: the provider cannot serve; `interrupted` when the stream ends before the answer does.
            ConfigError: a human must act; `context_overflow` when the request is too long for the model.
        """
        answer = _Answer(self._name)
        events = EventParser()
        path = f"{self._path}:streamGenerateContent?alt=sse"
        async with aclosing(self._http.stream(path, self._writer.write(request))) as chunks:
            async for chunk in chunks:
                for event in events.feed(chunk):
                    for delta in _deltas(answer.add(read_body(event.data))):
                        yield delta
        if not answer.finish_reason:
            raise Unavailable(f"Gemini ({self._name}) ended its stream before its answer", code="interrupted")
        yield answer.response()

    async def aclose(self) -> None:
        await self._http.aclose()


class _Answer:
    """An answer as it comes together from one body or from the chunks of a stream."""

    def __init__(self, model: str) -> None:
        self.finish_reason = ""
        self._asked = model
        self._model = model
        self._id = ""
        self._usage = Usage()
        self._parts: list[AssistantPart] = []
        self._blocked = False

    def add(self, body: Body) -> list[AssistantPart]:
        """Take in a body, and give the parts it added.

        Raises:
            InfraError: the body is an error.
            ConfigError: the body is an error that a human must act on.
        """
        if body.error is not None:
            rpc = read_status(body.error)
            raise failure(rpc.code or 500, rpc, model=self._asked)
        self.finish_reason = body.finish_reason or self.finish_reason
        self._blocked = self._blocked or (body.candidate is None and bool(body.finish_reason))
        self._model = body.model_version or self._model
        self._id = body.response_id or self._id
        if body.usage_metadata:
            self._usage = read_usage(body.usage_metadata)
        parts = [part for wire in body.parts if (part := read_part(wire)) is not None]
        self._parts += parts
        return parts

    def response(self) -> ModelResponse:
        message = AssistantMessage(join_parts(self._parts))
        return ModelResponse(
            message=message,
            outcome=Outcome.BLOCKED if self._blocked else outcome(self.finish_reason, message),
            finish_reason=self.finish_reason,
            usage=self._usage,
            model=self._model,
            response_id=self._id,
        )


def _deltas(parts: Iterable[AssistantPart]) -> Iterator[ModelDelta]:
    for part in parts:
        if isinstance(part, Text) and part.text:
            yield TextDelta(part.text)
        elif isinstance(part, Thinking) and part.text:
            yield ThinkingDelta(part.text)


def outcome(finish_reason: str, message: AssistantMessage) -> Outcome:
    """What an answer means for the runtime.

    A policy's answer stays one whatever came with it. Otherwise calls are to be answered, also those that the provider
    thinks unexpected: the dispatcher tells the model which tools there are.
    """
    word = OUTCOMES.get(finish_reason)
    if word is not Outcome.BLOCKED and message.tool_calls:
        return Outcome.TOOL_CALLS
    if word is not None:
        return word
    usable = message.text.strip() or any(isinstance(part, Blob) for part in message.parts)
    return Outcome.COMPLETE if usable else Outcome.EMPTY
