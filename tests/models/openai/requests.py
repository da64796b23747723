"""Requests as the adapters write them, held to OpenAI's rules and to the types of its own SDK."""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import TypeAdapter

from emonk.models.openai.chat_request import ChatWriter
from emonk.models.openai.endpoint import Endpoint
from emonk.models.openai.responses_request import ResponsesWriter
from emonk.models.protocol import ModelRequest
from emonk.testing.openai_responses_rules import check as check_response
from emonk.testing.openai_rules import check as check_completion

PARAMS: dict[tuple[str, bool], Any] = {
    ("chat", False): CompletionCreateParamsNonStreaming,
    ("chat", True): CompletionCreateParamsStreaming,
    ("responses", False): ResponseCreateParamsNonStreaming,
    ("responses", True): ResponseCreateParamsStreaming,
}


@cache
def adapter(api: str, stream: bool) -> TypeAdapter[Any]:
    return TypeAdapter(PARAMS[api, stream])


def written(request: ModelRequest, endpoint: Endpoint, *, name: str = "o3", stream: bool = False) -> dict[str, Any]:
    """A request as it is sent."""
    writer = (ChatWriter if endpoint.api == "chat" else ResponsesWriter)(name, endpoint)
    return json.loads(writer.write(request, stream=stream).body)


def allowed(request: ModelRequest, endpoint: Endpoint, *, name: str = "o3", stream: bool = False) -> dict[str, Any]:
    """A request that keeps the rules of the stand-in."""
    body = written(request, endpoint, name=name, stream=stream)
    (check_completion if endpoint.api == "chat" else check_response)(body)
    return body


def typed(request: ModelRequest, endpoint: Endpoint, *, name: str = "o3", stream: bool = False) -> dict[str, Any]:
    """A request that keeps those rules and is one of the SDK's types."""
    body = allowed(request, endpoint, name=name, stream=stream)
    _to_the_end(adapter(endpoint.api, stream).validate_python(body))
    return body


def _to_the_end(value: Any) -> None:
    """What the SDK's types call an iterable is only validated as it is gone through."""
    if isinstance(value, dict):
        value = value.values()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    elif isinstance(value, str) or not isinstance(value, Iterable):
        return
    for each in value:  # pyright: ignore[reportUnknownVariableType]
        _to_the_end(each)
