"""The two calls of Gemini's wire format, wherever it is spoken."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

from emonk.errors import EmonkError, InvalidConfig, Unavailable
from emonk.messages import AssistantPart, Text, Thinking, ToolCall
from emonk.models.gemini.answer import Answer
from emonk.models.gemini.refusals import explain
from emonk.models.gemini.request import RequestWriter
from emonk.models.gemini.wire import arguments_of, read_body
from emonk.models.http import HttpClient
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse, TextDelta, ThinkingDelta, ToolCallDelta
from emonk.models.sse import EventParser


class GenerateContent:
    """`generateContent` and `streamGenerateContent` of one model."""

    def __init__(self, name: str, http: HttpClient, path: str) -> None:
        """Call the model at `path`, which is written up to the method."""
        self._name = name
        self._http = http
        self._path = path
        self._writer = RequestWriter(name)

    async def generate(self, request: ModelRequest) -> ModelResponse:
        """Ask for a whole answer.

        Raises:
            InfraError: the provider cannot serve; `malformed_body` when its answer cannot be read.
            ConfigError: a human must act; `context_overflow` when the request is too long for the model.
        """
        body = self._writer.write(request)
        try:
            raw = await self._http.post(f"{self._path}:generateContent", body)
        except InvalidConfig as error:
            explain(error, request.tools)
            raise
        answer = Answer(self._name)
        self._add(answer, raw)
        return answer.response()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """Ask for an answer in pieces; the last one is the whole answer.

        Raises:
            InfraError: the provider cannot serve; `interrupted` when the stream ends before the answer does.
            ConfigError: a human must act; `context_overflow` when the request is too long for the model.
        """
        answer = Answer(self._name)
        events = EventParser()
        called = 0
        path = f"{self._path}:streamGenerateContent?alt=sse"
        try:
            async with aclosing(self._http.stream(path, self._writer.write(request))) as chunks:
                async for chunk in chunks:
                    for event in events.feed(chunk):
                        for delta in _deltas(self._add(answer, event.data), called):
                            called += isinstance(delta, ToolCallDelta)
                            yield delta
        except InvalidConfig as error:
            explain(error, request.tools)
            raise
        if not answer.finish_reason:
            raise Unavailable(f"Gemini ({self._name}) ended its stream before its answer", code="interrupted")
        yield answer.response()

    async def aclose(self) -> None:
        await self._http.aclose()

    def _add(self, answer: Answer, raw: bytes) -> list[AssistantPart]:
        try:
            return answer.add(read_body(raw))
        except EmonkError as error:
            self._http.redact(error)
            raise


def _deltas(parts: Iterable[AssistantPart], called: int) -> Iterator[ModelDelta]:
    """What parts add; Gemini sends a call whole. `called` counts those before."""
    for part in parts:
        if isinstance(part, Text) and part.text:
            yield TextDelta(part.text)
        elif isinstance(part, Thinking) and part.text:
            yield ThinkingDelta(part.text)
        elif isinstance(part, ToolCall):
            yield ToolCallDelta(called, arguments_of(part), part.name, part.id)
            called += 1
