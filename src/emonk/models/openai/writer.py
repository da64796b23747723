"""How a request to either of OpenAI's APIs is put together; each API says how it calls things."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from emonk.models.openai.endpoint import Endpoint, reasons
from emonk.models.openai.identifiers import original_names, tool_name
from emonk.models.openai.written import Json, Written, cache_key, effort_of, encode, encode_body, is_strict, unencodable
from emonk.models.protocol import ModelRequest, ToolLike

ANSWER_NAME = "answer"
"""What the schema of an answer is called; OpenAI wants a name."""


class RequestWriter(ABC):
    """Writes requests; the tools are encoded once for as long as they stay the same."""

    streaming: ClassVar[Json]
    """What asks for a stream."""

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self._name = name
        self._endpoint = endpoint
        self._thinks = reasons(name)
        self._tools: tuple[ToolLike, ...] = ()
        self._encoded_tools = msgspec.Raw(b"[]")
        self._names: Mapping[str, str] = {}

    @abstractmethod
    def conversation(self, request: ModelRequest) -> Json:
        """The model, its instructions, and what was said."""

    @abstractmethod
    def declaration(self, tool: ToolLike) -> Json:
        """A tool that may be called."""

    @abstractmethod
    def choice(self, tool: str) -> Json:
        """The one tool that is to be called."""

    @abstractmethod
    def limit(self, tokens: int) -> Json:
        """How long the answer may be."""

    @abstractmethod
    def effort(self, word: str) -> Json:
        """How much to think."""

    @abstractmethod
    def form(self, described: Json) -> Json:
        """What the answer has to look like: `name`, `schema` and `strict`."""

    def cache(self, request: ModelRequest) -> Json:
        """What lets the server find the beginning of the conversation again."""
        return {"prompt_cache_key": cache_key(request, request.tools)} if self._endpoint.own else {}

    def write(self, request: ModelRequest, *, stream: bool = False) -> Written:
        """The JSON body of a request.

        Raises:
            InvalidConfig: `unencodable_request`: something in it has no JSON form; or a part is not taken.
        """
        names: Mapping[str, str] = {}
        try:
            body = self.conversation(request)
            if request.tools:
                body["tools"], names = self._declarations(tuple(request.tools))
                if request.required_tool:
                    body["tool_choice"] = self.choice(tool_name(request.required_tool))
                elif request.tool_choice != "auto":
                    body["tool_choice"] = request.tool_choice
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise unencodable(error) from error
        self._settings(request, body)
        if request.cache_prompt:
            body |= self.cache(request)
        if stream:
            body |= self.streaming
        return Written(encode_body(body), names)

    def _declarations(self, tools: tuple[ToolLike, ...]) -> tuple[msgspec.Raw, Mapping[str, str]]:
        if tools != self._tools:
            self._encoded_tools = msgspec.Raw(encode([self.declaration(tool) for tool in tools]))
            self._names = original_names(tool.name for tool in tools)
            self._tools = tools
        return self._encoded_tools, self._names

    def _settings(self, request: ModelRequest, body: Json) -> None:
        own = self._endpoint.own
        if request.max_output_tokens is not None:
            body |= self.limit(request.max_output_tokens)
        if request.temperature is not None and not (own and self._thinks):
            body["temperature"] = request.temperature
        if effort := effort_of(self._name, request.reasoning_effort, own=own):
            body |= self.effort(effort)
        if (schema := request.output_schema) is not None:
            body |= self.form({"name": ANSWER_NAME, "schema": schema, "strict": is_strict(schema)})
