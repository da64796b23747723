"""The rules that OpenAI holds requests to chat completions to, as its documentation and its own error messages tell.

https://developers.openai.com/api/reference/resources/chat. What compatible servers add to a message (reasoning) is let
through.
"""

from collections.abc import Sequence
from typing import Any

from emonk.models.fields import as_list, as_object, as_text
from emonk.testing.openai_schemas import NAME, Json, Refused, check_image, check_schema, check_tool

FIELDS = frozenset(
    [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})

_ROLES = frozenset({"assistant", "developer", "function", "system", "tool", "user"})
_PARTS = frozenset({"file", "image_url", "input_audio", "refusal", "text"})
_MOST_TOOLS = 128
_LONGEST_ID = 40


def check(body: Json) -> None:
    """Hold a request to the rules.

    Raises:
        Refused: it breaks one.
    """
    unknown = next((field for field in body if field not in FIELDS), None)
    if unknown is not None:
        raise Refused(f"Unrecognized request argument supplied: {unknown}", param=unknown)
    if not as_text(body.get("model")):
        raise Refused("you must provide a model parameter", param="model")
    messages = as_list(body.get("messages"))
    if not messages:
        raise Refused("Invalid 'messages': empty array. Expected an array with minimum length 1.", param="messages")
    for index, message in enumerate(messages):
        _check_message(as_object(message), f"messages[{index}]")
    _check_pairs([as_object(message) for message in messages])
    check_tools(body, [as_object(as_object(tool).get("function")) for tool in as_list(body.get("tools"))])
    _check_settings(body)


def check_tools(body: Json, functions: Sequence[Json], *, free: frozenset[str] = frozenset({"none"})) -> None:
    """Hold the tools of a request, and its choice among them, to the rules of both APIs.

    Args:
        body: the request.
        functions: that it declares.
        free: choices that need no tools.

    Raises:
        Refused: they break one.
    """
    tools = body.get("tools")
    if tools is not None and not 1 <= len(as_list(tools)) <= _MOST_TOOLS:
        raise Refused(f"Invalid 'tools': expected an array of 1 to {_MOST_TOOLS}.", param="tools")
    for index, function in enumerate(functions):
        if function:
            check_tool(function, f"tools[{index}]")
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not functions and not tools and choice not in free:
        raise Refused("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    named = as_text(as_object(as_object(choice).get("function") or choice).get("name"))
    if isinstance(choice, str) and choice not in {"auto", "none", "required"}:
        raise Refused(f"Invalid value: '{choice}'.", param="tool_choice")
    if named and named not in {function.get("name") for function in functions}:
        raise Refused(f"Tool choice '{named}' not found in 'tools' parameter.", param="tool_choice")


def _check_message(message: Json, where: str) -> None:
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        raise Refused(f"Invalid value: '{role}'. Supported values are: {sorted(_ROLES)}.", param=f"{where}.role")
    calls = message.get("tool_calls")
    if calls is not None:
        _check_calls(as_list(calls), where)
    if role == "tool" and not 1 <= len(as_text(message.get("tool_call_id"))) <= _LONGEST_ID:
        raise Refused(f"Invalid '{where}.tool_call_id': expected 1 to {_LONGEST_ID} characters.", param=where)
    if content is None and not (role == "assistant" and (calls or message.get("audio"))):
        raise Refused("Invalid value for 'content': expected a string, got null.", param=f"{where}.content")
    if content is not None and not isinstance(content, str):
        parts = as_list(content)
        if not parts:
            raise Refused(f"Invalid '{where}.content': empty array.", param=f"{where}.content")
        for index, part in enumerate(parts):
            _check_part(as_object(part), as_text(role), f"{where}.content[{index}]")


def _check_part(part: Json, role: str, where: str) -> None:
    kind = part.get("type")
    if kind not in _PARTS:
        raise Refused(f"Invalid value: '{kind}'. Supported values are: {sorted(_PARTS)}.", param=f"{where}.type")
    if role != "user" and kind not in {"text", "refusal"}:
        raise Refused(f"Invalid content type. {kind} is only supported in 'user' messages.", param=where)
    if not as_object(part).get(kind if kind != "file" else "file") and kind != "text":
        raise Refused(f"Missing required parameter: '{where}.{kind}'.", param=where)
    if kind == "text" and not isinstance(part.get("text"), str):
        raise Refused(f"Missing required parameter: '{where}.text'.", param=where)
    if kind == "image_url":
        check_image(as_object(part.get("image_url")).get("url"), where)


def _check_calls(calls: Sequence[Any], where: str) -> None:
    if not calls:
        raise Refused(f"Invalid '{where}.tool_calls': empty array.", param=f"{where}.tool_calls")
    for index, each in enumerate(calls):
        call, place = as_object(each), f"{where}.tool_calls[{index}]"
        function = as_object(call.get("function"))
        if call.get("type") != "function" and not call.get("custom"):
            raise Refused(f"Missing required parameter: '{place}.type'.", param=place)
        if not 1 <= len(as_text(call.get("id"))) <= _LONGEST_ID:
            raise Refused(f"Invalid '{place}.id': expected 1 to {_LONGEST_ID} characters.", param=place)
        if function and not NAME.fullmatch(as_text(function.get("name"))):
            raise Refused(f"Invalid '{place}.function.name': string does not match pattern.", param=place)
        if function and not isinstance(function.get("arguments"), str):
            raise Refused(f"Invalid type for '{place}.function.arguments': expected a string.", param=place)
    ids = [as_object(call).get("id") for call in calls]
    if len(set(ids)) < len(ids):
        raise Refused(f"Duplicate value for 'tool_call_id' in {where}.", param=where)


def _check_pairs(messages: Sequence[Json]) -> None:
    """Calls are directly followed by a tool message for each of them, and by no other."""
    waiting: set[str] = set()
    known: set[str] = set()
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if message.get("role") == "tool":
            call_id = as_text(message.get("tool_call_id"))
            if not known:
                raise Refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with"
                    " 'tool_calls'.",
                    param=where,
                )
            if call_id not in waiting:
                raise Refused(
                    f"Invalid parameter: 'tool_call_id' of '{call_id}' not found in 'tool_calls' of previous message.",
                    param=where,
                )
            waiting.discard(call_id)
            continue
        _none_waiting(waiting, where)
        known = {as_text(as_object(call).get("id")) for call in as_list(message.get("tool_calls"))}
        waiting = set(known)
    _none_waiting(waiting, "messages")


def _none_waiting(waiting: set[str], where: str) -> None:
    if waiting:
        raise Refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
            " 'tool_call_id'. The following tool_call_ids did not have response messages:"
            f" {', '.join(sorted(waiting))}",
            param=where,
        )


def _check_settings(body: Json) -> None:
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise Refused("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    check_numbers(body, ("max_tokens", "max_completion_tokens"), least=1)
    if body.get("stream_options") is not None and body.get("stream") is not True:
        raise Refused(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        raise Refused(f"Invalid value: '{effort}'. Supported values are: {sorted(EFFORTS)}.", param="reasoning_effort")
    wanted = as_object(body.get("response_format"))
    if wanted.get("type") == "json_schema":
        described = as_object(wanted.get("json_schema"))
        check_schema(described, f"response_format '{described.get('name')}'", "response_format")


def check_numbers(body: Json, limits: Sequence[str], *, least: int) -> None:
    """Hold limits of tokens and the temperature to their ranges.

    Raises:
        Refused: one is outside.
    """
    for field in limits:
        limit = body.get(field)
        if limit is not None and not (isinstance(limit, int) and limit >= least):
            raise Refused(f"Invalid '{field}': integer below minimum value. Expected a value >= {least}.", param=field)
    heat = body.get("temperature")
    if heat is not None and not (isinstance(heat, int | float) and 0 <= heat <= 2):
        raise Refused(f"Invalid 'temperature': {heat} is not between 0 and 2.", param="temperature")
