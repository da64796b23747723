"""The Gemini API."""

import os
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from functools import partial
from urllib.parse import quote

from emonk.errors import EmonkError, Unavailable
from emonk.messages import AssistantPart, Text, Thinking
from emonk.models.gemini.answer import Answer
from emonk.models.gemini.errors import read_failure
from emonk.models.gemini.request import RequestWriter
from emonk.models.gemini.wire import read_body
from emonk.models.http import HttpClient, check_key
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse, TextDelta, ThinkingDelta
from emonk.models.sse import EventParser

BASE_URL = "https://generativelanguage.googleapis.com"


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
        raw = await self._http.post(f"{self._path}:generateContent", self._writer.write(request))
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
        path = f"{self._path}:streamGenerateContent?alt=sse"
        async with aclosing(self._http.stream(path, self._writer.write(request))) as chunks:
            async for chunk in chunks:
                for event in events.feed(chunk):
                    for delta in _deltas(self._add(answer, event.data)):
                        yield delta
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


def _deltas(parts: Iterable[AssistantPart]) -> Iterator[ModelDelta]:
    for part in parts:
        if isinstance(part, Text) and part.text:
            yield TextDelta(part.text)
        elif isinstance(part, Thinking) and part.text:
            yield ThinkingDelta(part.text)
