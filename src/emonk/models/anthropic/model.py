"""The Anthropic API."""

import os
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

from emonk.errors import EmonkError, InvalidConfig, Unavailable
from emonk.models.anthropic.answer import Asked, response_of
from emonk.models.anthropic.claude import claude
from emonk.models.anthropic.errors import read_failure
from emonk.models.anthropic.request import RequestWriter, answer_key
from emonk.models.anthropic.stream import StreamedAnswer
from emonk.models.anthropic.wire import Json, read_object
from emonk.models.http import HttpClient, check_key
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse, ToolLike
from emonk.models.sse import EventParser

BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"

BINDING_CONTROLS = "thinking-binding-controls-2026-08-01"
"""The beta header that lets thinking be dropped which a changed conversation no longer takes.

https://platform.claude.com/docs/en/build-with-claude/preserved-thinking.
"""

_REFUSED_TOOL = re.compile(r"\btools\.(\d{1,5})\b")


class AnthropicModel:
    """A model behind `/v1/messages`."""

    def __init__(self, name: str, *, api_key: str, base_url: str = BASE_URL, timeout: float = 300.0) -> None:
        """Talk to the model `name`.

        Args:
            name: as Anthropic names it, such as `claude-sonnet-4-5`.
            api_key: sent as `x-api-key`.
            base_url: where the API is, as Anthropic's own clients take it: `/v1/messages` is added.
            timeout: seconds of silence after which a call is given up; the whole call has the caller's deadline.

        Raises:
            MissingCredential: the key is empty, or holds what no key holds.
            InvalidConfig: `base_url` is no HTTP address.
        """
        api_key = check_key(api_key, "ANTHROPIC_API_KEY")
        self._name = name
        self.spec = f"anthropic:{name}"
        headers = {"x-api-key": api_key, "anthropic-version": VERSION}
        if claude(name).binds_thinking:
            headers["anthropic-beta"] = BINDING_CONTROLS
        self._http = HttpClient(
            base_url,
            headers=headers,
            secret=api_key,
            silence=timeout,
            read_error=partial(read_failure, model=name),
            provider="anthropic",
        )
        self._path = "/messages" if base_url.rstrip("/").endswith("/v1") else "/v1/messages"
        self._writer = RequestWriter(name)

    @classmethod
    def from_environment(
        cls, name: str, *, api_key: str | None = None, base_url: str | None = None
    ) -> "AnthropicModel":
        """The model with what is not given taken from `ANTHROPIC_API_KEY` and `ANTHROPIC_BASE_URL`.

        Raises:
            MissingCredential: there is no key.
            InvalidConfig: the base URL is no HTTP address.
        """
        return cls(
            name,
            api_key=api_key or os.environ.get("ANTHROPIC_API_KEY", ""),
            base_url=base_url or os.environ.get("ANTHROPIC_BASE_URL") or BASE_URL,
        )

    async def generate(self, request: ModelRequest) -> ModelResponse:
        """Ask for a whole answer.

        Raises:
            InfraError: the provider cannot serve; `malformed_body` when its answer cannot be read.
            ConfigError: a human must act; `context_overflow` when the request is too long for the model.
        """
        body = self._writer.write(request)
        asked = self._asked(request)
        try:
            raw = await self._http.post(self._path, body)
            return response_of(self._read(raw), asked)
        except InvalidConfig as error:
            explain(error, request.tools)
            raise

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """Ask for an answer in pieces; the last one is the whole answer.

        Raises:
            InfraError: the provider cannot serve; `interrupted` when the stream ends before the answer does.
            ConfigError: a human must act; `context_overflow` when the request is too long for the model.
        """
        body = self._writer.write(request, stream=True)
        answer = StreamedAnswer(self._asked(request))
        events = EventParser()
        try:
            async with aclosing(self._http.stream(self._path, body)) as chunks:
                async for chunk in chunks:
                    for event in events.feed(chunk):
                        for delta in answer.add(self._read(event.data)):
                            yield delta
        except InvalidConfig as error:
            explain(error, request.tools)
            raise
        if not answer.over:
            raise Unavailable(f"Anthropic ({self._name}) ended its stream before its answer", code="interrupted")
        yield answer.response()

    async def aclose(self) -> None:
        await self._http.aclose()

    def _asked(self, request: ModelRequest) -> Asked:
        by_tool = self._writer.answer_tool(request)
        key = answer_key(request.output_schema or {}) if by_tool else ""
        return Asked(self._name, self._writer.original_names, by_tool, key)

    def _read(self, raw: bytes) -> Json:
        try:
            return read_object(raw, model=self._name)
        except EmonkError as error:
            self._http.redact(error)
            raise


def explain(error: InvalidConfig, tools: Sequence[ToolLike]) -> None:
    """Name the tool that a refusal names by its number: `tools.3.custom.input_schema.properties: ...`."""
    found = _REFUSED_TOOL.search(error.message)
    if found and int(found[1]) < len(tools):
        error.hint = f"change the schema of the tool {tools[int(found[1])].name}, or offer it to another model"
