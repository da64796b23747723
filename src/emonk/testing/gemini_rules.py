"""The rules that Gemini holds requests to, as far as its documentation and its own error messages tell them."""

import base64
import binascii
import re
from collections import Counter
from typing import Any

from emonk.models.fields import as_list, as_object, as_text

Json = dict[str, Any]

DATA_FIELDS = frozenset(
    {
        "codeExecutionResult",
        "executableCode",
        "fileData",
        "functionCall",
        "functionResponse",
        "inlineData",
        "text",
        "toolCall",
        "toolResponse",
    }
)
"""What a part can be; it is exactly one of these. https://ai.google.dev/api/caching#Part."""

OTHER_FIELDS = frozenset({"mediaResolution", "partMetadata", "thought", "thoughtSignature", "videoMetadata"})

_FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")


class Refused(Exception):
    """The request breaks a rule; the text is Google's, or in its manner."""


def check(body: Json) -> None:
    """Hold a GenerateContentRequest to the rules.

    Raises:
        Refused: it breaks one.
    """
    contents = as_list(body.get("contents"))
    if not contents:
        raise Refused("* GenerateContentRequest.contents: contents is not specified")
    for index, content in enumerate(contents):
        _check_content(as_object(content), index)
    _check_pairs([as_object(content) for content in contents])
    _check_tools(body)
    _check_config(as_object(body.get("generationConfig")))


def _check_content(content: Json, index: int) -> None:
    if content.get("role", "user") not in {"user", "model", "function"}:
        raise Refused("Please use a valid role: user, model.")
    parts = as_list(content.get("parts"))
    if not parts:
        raise Refused(f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.")
    for number, part in enumerate(parts):
        _check_part(as_object(part), f"contents[{index}].parts[{number}]")


def _check_part(part: Json, where: str) -> None:
    fields = {camel(field) for field in part}
    if unknown := fields - DATA_FIELDS - OTHER_FIELDS:
        name = min(unknown)
        raise Refused(f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field.")
    if len(fields & DATA_FIELDS) != 1:
        raise Refused(
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field"
        )
    _check_base64(_field(part, "thoughtSignature"), f"{where}.thought_signature")
    _check_base64(as_object(_field(part, "inlineData")).get("data"), f"{where}.inline_data.data")


def _check_base64(value: Any, where: str) -> None:
    if value is None:
        return
    text = as_text(value).replace("-", "+").replace("_", "/")
    try:
        base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"Invalid value at '{where}' (TYPE_BYTES), Base64 decoding failed") from None


def _check_pairs(contents: list[Json]) -> None:
    """Calls are directly followed by as many responses of the same names; no response stands alone."""
    open_calls: Counter[str] | None = None
    previous_role = "user"
    for content in contents:
        calls, responses = _names(content, "functionCall"), _names(content, "functionResponse")
        if responses and open_calls is None:
            raise Refused("Please ensure that function response turn comes immediately after a function call turn.")
        if open_calls is not None and sum(responses.values()) != sum(open_calls.values()):
            raise Refused(
                "Please ensure that the number of function response parts is equal to the number of function call parts"
                " of the function call turn."
            )
        if open_calls is not None and responses != open_calls:
            raise Refused("Please ensure that the names of function responses are those of the function calls.")
        if calls and previous_role == "model":
            raise Refused(
                "Please ensure that function call turn comes immediately after a user turn or after a function"
                " response turn."
            )
        open_calls = calls or None
        previous_role = as_text(content.get("role")) or "user"
    if open_calls:
        raise Refused("Please ensure that function call turn is followed by a function response turn.")


def _names(content: Json, kind: str) -> Counter[str]:
    found = (as_object(_field(as_object(part), kind)) for part in as_list(content.get("parts")))
    return Counter(as_text(each.get("name")) for each in found if each)


def _check_tools(body: Json) -> None:
    tools = body.get("tools")
    seen: set[str] = set()
    for tool in as_list(tools) or [tools]:
        for declaration in as_list(_field(as_object(tool), "functionDeclarations")):
            _check_declaration(as_object(declaration), seen)
    config = as_object(as_object(_field(body, "toolConfig")).get("functionCallingConfig"))
    if config.get("mode") == "ANY" and not seen:
        raise Refused("Function calling config is set without function_declarations.")


def _check_declaration(declaration: Json, seen: set[str]) -> None:
    name = as_text(declaration.get("name"))
    if not _FUNCTION_NAME.fullmatch(name):
        raise Refused(f"Invalid function name {name!r}. Must start with a letter or an underscore.")
    if name in seen:
        raise Refused(f"Duplicate function declaration found: {name}")
    seen.add(name)
    if declaration.get("parameters") and _field(declaration, "parametersJsonSchema"):
        raise Refused("parameters and parametersJsonSchema are mutually exclusive.")


def _check_config(config: Json) -> None:
    limit = config.get("maxOutputTokens")
    if limit is not None and not (isinstance(limit, int) and limit > 0):
        raise Refused("max_output_tokens must be positive.")
    temperature = config.get("temperature")
    if temperature is not None and not (isinstance(temperature, int | float) and 0 <= temperature <= 2):
        raise Refused(f"Unable to submit request because it has a temperature value of {temperature}: use 0 to 2.")


def _field(value: Json, name: str) -> Any:
    """A field by its JSON name or by its name in the protocol buffer, as proto3 JSON allows."""
    found = value.get(name)
    return found if found is not None else value.get(_SNAKE.sub(lambda upper: f"_{upper[0].lower()}", name))


def camel(name: str) -> str:
    """`thought_signature` as `thoughtSignature`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_SNAKE = re.compile(r"[A-Z]")
