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


def check(body: Json, model: str = "") -> None:
    """Hold a GenerateContentRequest to the rules, and to those of one model where it is named.

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
    config = as_object(body.get("generationConfig"))
    _check_config(config)
    if model and version_of(model) < (3, 0):
        _check_mime_type(body, config)
    check_thinking(as_object(_field(config, "thinkingConfig")), model)
    if version_of(model) >= (3, 0):
        _check_signed([as_object(content) for content in contents])


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
    blob = as_object(_field(part, "inlineData"))
    _check_base64(blob.get("data"), f"{where}.inline_data.data")
    kind = as_text(_field(blob, "mimeType"))
    if blob and not blob.get("data"):
        raise Refused("Unable to process input image. Please retry or report in https://developers.generativeai.google")
    if kind in {"image/gif", "image/svg+xml", "application/octet-stream"}:
        raise Refused(f"Unsupported MIME type: {kind}")


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
    allowed = as_list(_field(config, "allowedFunctionNames"))
    if allowed and config.get("mode") not in {"ANY", "VALIDATED"}:
        raise Refused("Function calling mode must be ANY or VALIDATED when allowed function names are set.")
    if not seen.issuperset(map(as_text, allowed)):
        raise Refused("allowed_function_names should contain only names of function_declarations.")


def _check_mime_type(body: Json, config: Json) -> None:
    """Before Gemini 3, tools and an answer of a type exclude each other."""
    kind = as_text(_field(config, "responseMimeType"))
    if body.get("tools") and kind not in {"", "text/plain"}:
        raise Refused(f"Function calling with a response mime type: '{kind}' is unsupported")


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


def check_thinking(config: Json, model: str) -> None:
    """What a model thinks of its `thinkingConfig`; messages as users of Google's forums quote them.

    Raises:
        Refused: it has no such setting.
    """
    level, budget = _field(config, "thinkingLevel"), _field(config, "thinkingBudget")
    version = version_of(model)
    if level is not None and budget is not None:
        raise Refused("You can only set only one of thinking budget and thinking level.")
    if not version[0]:
        return
    if config and version < (2, 5):
        raise Refused("Unable to submit request because thinking is not supported by this model.")
    if level is not None and version < (3, 0):
        raise Refused("Thinking level is not supported for this model.")
    if level is not None and as_text(level).lower() not in _levels(model, version):
        raise Refused(f"Thinking level {as_text(level).upper()} is not supported for this model.")
    if budget == 0 and "-pro" in model:
        raise Refused("Budget 0 is invalid. This model only works in thinking mode.")


def _levels(model: str, version: tuple[int, int]) -> set[str]:
    if "-pro" not in model:
        return {"minimal", "low", "medium", "high"}
    return {"low", "high"} if version == (3, 0) else {"low", "medium", "high"}


def _check_signed(contents: list[Json]) -> None:
    """The first call of each step of the current turn carries a signature, as Gemini 3 wants."""
    said = [index for index, content in enumerate(contents) if content.get("role", "user") == "user" and _asks(content)]
    for index in range(max(said, default=-1) + 1, len(contents)):
        parts = [as_object(part) for part in as_list(contents[index].get("parts"))]
        first = next((part for part in parts if _field(part, "functionCall")), None)
        if first is not None and not _field(first, "thoughtSignature"):
            name = as_text(as_object(_field(first, "functionCall")).get("name"))
            raise Refused(
                "Unable to submit request because function call `default_api:"
                f"{name}` in the {index + 1}. content block is missing a `thought_signature`."
            )


def _asks(content: Json) -> bool:
    return any(not _field(as_object(part), "functionResponse") for part in as_list(content.get("parts")))


def version_of(model: str) -> tuple[int, int]:
    """Which Gemini a name means; zeros for others."""
    found = re.match(r"gemini-(\d+)(?:\.(\d+))?", model.rpartition("/")[2])
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def _field(value: Json, name: str) -> Any:
    """A field by its JSON name or by its name in the protocol buffer, as proto3 JSON allows."""
    found = value.get(name)
    return found if found is not None else value.get(_SNAKE.sub(lambda upper: f"_{upper[0].lower()}", name))


def camel(name: str) -> str:
    """`thought_signature` as `thoughtSignature`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_SNAKE = re.compile(r"[A-Z]")
