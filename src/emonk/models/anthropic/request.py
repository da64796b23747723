"""Requests to Anthropic, written as JSON. https://platform.claude.com/docs/en/api/messages/create."""

from collections.abc import Iterable
from typing import Any

import msgspec

from emonk.errors import InvalidConfig
from emonk.models.anthropic.claude import claude
from emonk.models.anthropic.conversation import Conversation
from emonk.models.anthropic.identifiers import sent_name
from emonk.models.anthropic.schema import output_schema, tool_schema
from emonk.models.anthropic.thinking import effort_of, limit_of, thinking_of, thinking_sent
from emonk.models.protocol import ModelRequest, ToolLike

Json = dict[str, Any]

ANSWER_TOOL = "json_answer"
"""What the models that write no JSON to a schema are made to call; its arguments are the answer."""

_CACHED: Json = {"type": "ephemeral"}

_encode = msgspec.json.Encoder().encode


class RequestWriter:
    """Writes requests to one model; the tools are encoded once for as long as they stay the same.

    Attributes:
        original_names: of tools that are sent under another name, by that.
    """

    def __init__(self, model: str) -> None:
        self._name = model
        self._model = claude(model)
        self._tools: tuple[ToolLike, ...] = ()
        self._declared: list[Json | msgspec.Raw] = []
        self._last: Json = {}
        self.original_names: dict[str, str] = {}

    def write(self, request: ModelRequest, *, stream: bool = False) -> bytes:
        """The JSON body of a request.

        Raises:
            InvalidConfig: it cannot be sent: `unencodable_request` (no JSON form), `invalid_tool`, `unsupported_media`,
                `empty_request`.
        """
        try:
            return _encode(self._body(request, stream=stream))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidConfig(f"the request has no JSON form: {error}", code="unencodable_request") from error

    def answer_tool(self, request: ModelRequest) -> bool:
        """Whether the answer to a request comes as a call of `ANSWER_TOOL`."""
        return request.output_schema is not None and not self._model.writes_json

    def _body(self, request: ModelRequest, *, stream: bool) -> Json:
        model, effort = self._model, request.reasoning_effort
        conversation = Conversation(self._name, thinking_sent(model, effort))
        turns = conversation.write(request.messages)
        limit = limit_of(model, request.max_output_tokens, effort)
        body: Json = {"model": self._name, "max_tokens": limit, "messages": turns}
        if stream:
            body["stream"] = True
        if request.instructions and not request.instructions.isspace():
            body["system"] = [_marked({"type": "text", "text": request.instructions}, cache=request.cache_prompt)]
        self._add_tools(body, request, conversation)
        forced = body.get("tool_choice", {}).get("type") in {"any", "tool"}
        thinking = thinking_of(
            model, effort, limit, forced=forced, on=conversation.thinks_on, sent=conversation.thinking
        )
        if thinking is not None:
            body["thinking"] = thinking
        if request.temperature is not None and model.takes_temperature and thinking is None:
            body["temperature"] = min(request.temperature, 1.0)
        self._add_output(body, request)
        if request.cache_prompt and turns[-1]["role"] == "user":
            turns[-1]["content"][-1]["cache_control"] = _CACHED
        return body

    def _add_tools(self, body: Json, request: ModelRequest, conversation: Conversation) -> None:
        tools = self._declarations(tuple(request.tools), cache=request.cache_prompt)
        choice = self._choice(request)
        if self.answer_tool(request):
            tools.append({"name": ANSWER_TOOL, "input_schema": _answer_schema(request.output_schema or {})})
        elif not tools:
            # Calls in a conversation want their tools declared, also where they may not be called any more.
            tools = [{"name": name, "input_schema": {"type": "object"}} for name in conversation.called]
            choice = {"type": "none"}
        if not tools:
            return
        body["tools"] = tools
        if choice is None:
            return
        if choice["type"] in {"any", "tool"} and not self._model.takes_forced_tools:
            conversation.ask_for_call(choice.get("name", ""))
            return
        body["tool_choice"] = choice

    def _choice(self, request: ModelRequest) -> Json | None:
        if self.answer_tool(request):
            offered = request.tools and request.tool_choice != "none"
            return {"type": "any"} if offered else {"type": "tool", "name": ANSWER_TOOL}
        if request.required_tool:
            return {"type": "tool", "name": sent_name(request.required_tool)}
        if request.tool_choice == "auto":
            return None
        return {"type": "any" if request.tool_choice == "required" else "none"}

    def _add_output(self, body: Json, request: ModelRequest) -> None:
        config: Json = {}
        if (effort := effort_of(self._model, request.reasoning_effort)) is not None:
            config["effort"] = effort
        if request.output_schema is not None and self._model.writes_json:
            config["format"] = {"type": "json_schema", "schema": output_schema(request.output_schema)}
        if config:
            body["output_config"] = config

    def _declarations(self, tools: tuple[ToolLike, ...], *, cache: bool) -> list[Json | msgspec.Raw]:
        if not tools:
            return []
        if tools != self._tools:
            written = [_declaration(tool) for tool in tools]
            self._declared = [msgspec.Raw(_encode(one)) for one in written[:-1]]
            self._last = written[-1]
            self._tools = tools
            self.original_names = _renamed(tools)
        return [*self._declared, _marked(self._last, cache=cache)]


def _declaration(tool: ToolLike) -> Json:
    declared: Json = {"name": sent_name(tool.name), "input_schema": tool_schema(tool.name, tool.parameters)}
    return {**declared, "description": tool.description} if tool.description else declared


def _renamed(tools: Iterable[ToolLike]) -> dict[str, str]:
    return {sent: tool.name for tool in tools if (sent := sent_name(tool.name)) != tool.name}


def answer_key(schema: Json) -> str:
    """The argument of `ANSWER_TOOL` that an answer to a schema stands in; empty where the arguments are the answer."""
    plain = schema.get("type") == "object" and not any(keyword in schema for keyword in ("anyOf", "oneOf", "allOf"))
    return "" if plain else "answer"


def _answer_schema(schema: Json) -> Json:
    """A schema of answers as parameters, which are always an object."""
    key = answer_key(schema)
    if not key:
        return schema
    outer = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    return {**outer, "type": "object", "properties": {key: schema}, "required": [key]}


def _marked(block: Json, *, cache: bool) -> Json:
    """With a breakpoint of the cache: everything up to here is kept for the next request."""
    return {**block, "cache_control": _CACHED} if cache else block
