"""Requests to Gemini, written as JSON. https://ai.google.dev/api/generate-content."""

import msgspec

from emonk.errors import InvalidConfig
from emonk.models.gemini.contents import write_contents
from emonk.models.gemini.thinking import thinking_config, version_of, wants_signatures
from emonk.models.gemini.wire import Json
from emonk.models.protocol import ModelRequest, ToolLike

_SCHEMA = "Give the final answer as JSON alone, without a code fence, that keeps this JSON Schema: {}"

_encode = msgspec.json.Encoder().encode


class RequestWriter:
    """Writes requests; the tools are encoded once for as long as they stay the same."""

    def __init__(self, model: str = "") -> None:
        """Write for the model of this name."""
        self._model = model
        self._all_signed = wants_signatures(model)
        self._tools: tuple[ToolLike, ...] = ()
        self._encoded_tools = msgspec.Raw(b"[]")

    def write(self, request: ModelRequest) -> bytes:
        """The JSON body of a request.

        Raises:
            InvalidConfig: something in it is not for Gemini; `unencodable_request`: has no JSON form.
        """
        body: Json = {"contents": write_contents(request.messages, all_signed=self._all_signed)}
        try:
            told = request.output_schema is not None and self._tells_schema(request)
            if instructions := _with_schema(request) if told else request.instructions:
                body["systemInstruction"] = {"parts": [{"text": instructions}]}
            if request.tools:
                body["tools"] = self._declarations(tuple(request.tools))
                if choice := _tool_choice(request):
                    body["toolConfig"] = {"functionCallingConfig": choice}
            if config := _generation_config(request, self._model, told=told):
                body["generationConfig"] = config
            return _encode(body)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidConfig(f"the request has no JSON form: {error}", code="unencodable_request") from error

    def _tells_schema(self, request: ModelRequest) -> bool:
        """Whether the answer's schema is told in words: models before Gemini 3 refuse one beside tools.

        https://ai.google.dev/gemini-api/docs/structured-output.
        """
        return bool(request.tools) and version_of(self._model) < (3, 0)

    def _declarations(self, tools: tuple[ToolLike, ...]) -> msgspec.Raw:
        if tools != self._tools:
            declarations = [
                {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
                for tool in tools
            ]
            self._encoded_tools = msgspec.Raw(_encode([{"functionDeclarations": declarations}]))
            self._tools = tools
        return self._encoded_tools


def _with_schema(request: ModelRequest) -> str:
    asked = _SCHEMA.format(_encode(request.output_schema).decode())
    return f"{request.instructions}\n\n{asked}" if request.instructions else asked


def _tool_choice(request: ModelRequest) -> Json:
    if request.required_tool:
        return {"mode": "ANY", "allowedFunctionNames": [request.required_tool]}
    if request.tool_choice == "auto":
        return {}
    return {"mode": "ANY" if request.tool_choice == "required" else "NONE"}


def _generation_config(request: ModelRequest, model: str, *, told: bool) -> Json:
    config: Json = {}
    if request.max_output_tokens is not None:
        config["maxOutputTokens"] = request.max_output_tokens
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.output_schema is not None and not told:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = request.output_schema
    if request.reasoning_effort is not None and (thinking := thinking_config(model, request.reasoning_effort)):
        config["thinkingConfig"] = thinking
    return config
