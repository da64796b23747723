"""The rules that OpenAI holds requests to the responses API to, as its documentation and its error messages tell.

https://developers.openai.com/api/reference/resources/responses.
"""

from collections.abc import Sequence
from typing import Any

from emonk.models.fields import as_list, as_object, as_text
from emonk.testing.openai_rules import EFFORTS, check_numbers, check_tools
from emonk.testing.openai_schemas import NAME, Json, Refused, check_image, check_schema

FIELDS = frozenset(
    [
        "background",
        "context_management",
        "conversation",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "moderation",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    ]
)

_ROLES = frozenset({"assistant", "developer", "system", "user"})
_IN = frozenset({"input_audio", "input_file", "input_image", "input_text"})
_OUT = frozenset({"output_text", "refusal"})
_LONGEST_ID = 64
_LEAST_OUTPUT = 16
_LED_TO = frozenset({"function_call", "message", "reasoning"})


def check(body: Json) -> None:
    """Hold a request to the rules.

    Raises:
        Refused: it breaks one.
    """
    unknown = next((field for field in body if field not in FIELDS), None)
    if unknown is not None:
        raise Refused(f"Unknown parameter: '{unknown}'.", param=unknown, code="unknown_parameter")
    if not as_text(body.get("model")):
        raise Refused("Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
    if not body.get("input"):
        raise Refused("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    items = [as_object(item) for item in as_list(body["input"])]
    for index, item in enumerate(items):
        _check_item(item, f"input[{index}]")
    if not (body.get("previous_response_id") or body.get("conversation")):
        _check_pairs(items)
    _check_reasoning(items)
    tools = [*as_list(body.get("tools")), *(tool for item in items for tool in as_list(item.get("tools")))]
    functions = [tool for tool in map(as_object, tools) if tool.get("type") == "function"]
    check_tools(body, functions, free=frozenset({"auto", "none"}))
    _check_settings(body)


def _check_item(item: Json, where: str) -> None:
    kind = item.get("type", "message")
    match kind:
        case "message":
            _check_message(item, where)
        case "function_call":
            _check_id(item, where)
            if not NAME.fullmatch(as_text(item.get("name"))):
                raise Refused(f"Invalid '{where}.name': string does not match pattern.", param=f"{where}.name")
            if not isinstance(item.get("arguments"), str):
                raise Refused(f"Missing required parameter: '{where}.arguments'.", param=f"{where}.arguments")
        case "function_call_output":
            _check_id(item, where)
            if not isinstance(item.get("output"), str | list):
                raise Refused(f"Missing required parameter: '{where}.output'.", param=f"{where}.output")
        case "reasoning":
            if not isinstance(item.get("summary"), list) or not as_text(item.get("id")):
                raise Refused(f"Missing required parameter: '{where}.summary'.", param=f"{where}.summary")
        case _ if not isinstance(kind, str) or not kind:
            raise Refused(f"Invalid value: '{kind}'.", param=f"{where}.type", code="invalid_value")
        case _:
            return


def _check_message(item: Json, where: str) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in _ROLES:
        raise Refused(f"Invalid value: '{role}'. Supported values are: {sorted(_ROLES)}.", param=f"{where}.role")
    if isinstance(content, str):
        return
    parts = [as_object(part) for part in as_list(content)]
    if not parts:
        raise Refused(f"Missing required parameter: '{where}.content'.", param=f"{where}.content")
    allowed = _OUT if role == "assistant" else _IN
    for index, part in enumerate(parts):
        place = f"{where}.content[{index}]"
        if part.get("type") not in allowed:
            raise Refused(f"Invalid value: '{part.get('type')}'. Supported values are: {sorted(allowed)}.", param=place)
        if part["type"] == "input_image" and not part.get("file_id"):
            check_image(part.get("image_url"), place)
        if part["type"] == "input_file" and not part.keys() & {"file_data", "file_id", "file_url"}:
            raise Refused(f"Missing required parameter: '{place}.file_data'.", param=place)


def _check_id(item: Json, where: str) -> None:
    if not 1 <= len(as_text(item.get("call_id"))) <= _LONGEST_ID:
        raise Refused(f"Invalid '{where}.call_id': expected 1 to {_LONGEST_ID} characters.", param=f"{where}.call_id")


def _check_pairs(items: Sequence[Json]) -> None:
    """Every call has one output after it, and every output a call before it."""
    seen: set[str] = set()
    waiting: set[str] = set()
    for item in items:
        call_id = as_text(item.get("call_id"))
        match item.get("type"):
            case "function_call":
                if call_id in seen:
                    raise Refused(f"Duplicate item found with call_id {call_id}.", param="input")
                seen.add(call_id)
                waiting.add(call_id)
            case "function_call_output":
                if call_id not in waiting:
                    raise Refused(f"No tool call found for function call output with call_id {call_id}.", param="input")
                waiting.discard(call_id)
            case _:
                continue
    if waiting:
        raise Refused(f"No tool output found for function call {min(waiting)}.", param="input")


def _check_reasoning(items: Sequence[Json]) -> None:
    """Reasoning is followed by what it led to."""
    for at, item in enumerate(items):
        after = items[at + 1] if at + 1 < len(items) else Json()
        if item.get("type") != "reasoning":
            continue
        kind = after.get("type", "message" if "role" in after else "")
        if kind not in _LED_TO or (kind == "message" and after.get("role") != "assistant"):
            raise Refused(
                f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item.",
                param="input",
            )


def _check_settings(body: Json) -> None:
    check_numbers(body, ("max_output_tokens",), least=_LEAST_OUTPUT)
    effort: Any = as_object(body.get("reasoning")).get("effort")
    if effort is not None and effort not in EFFORTS:
        raise Refused(f"Invalid value: '{effort}'. Supported values are: {sorted(EFFORTS)}.", param="reasoning.effort")
    wanted = as_object(as_object(body.get("text")).get("format"))
    if wanted.get("type") == "json_schema":
        check_schema(wanted, f"response_format '{wanted.get('name')}'", "text.format.schema")
