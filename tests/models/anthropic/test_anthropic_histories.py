"""Every history makes a request that Anthropic's own types and its rules allow, whoever said what in it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest
from anthropic.types import MessageCreateParams
from anthropic.types.beta.message_create_params import MessageCreateParams as BetaParams
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from emonk.errors import InvalidConfig
from emonk.messages import (
    AssistantMessage,
    Blob,
    Foreign,
    Message,
    Text,
    Thinking,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
    user,
)
from emonk.models.anthropic.claude import claude
from emonk.models.anthropic.model import BINDING_CONTROLS
from emonk.models.anthropic.request import RequestWriter
from emonk.models.protocol import ModelRequest, ToolSchema
from emonk.testing.anthropic_rules import check

PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)
BETA_PARAMS: TypeAdapter[Any] = TypeAdapter(BetaParams)
MODELS = (
    "claude-3-opus-latest", "claude-sonnet-4-0", "claude-sonnet-4-5", "claude-opus-4-5", "claude-sonnet-4-6",
    "claude-opus-4-8", "claude-opus-5", "claude-fable-5-1", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5",
    "deepseek-chat",
)  # fmt: skip
TOOLS = tuple(ToolSchema(name, "Does it.", {"type": "object", "properties": {}}) for name in ("f", "g.h", "é"))

words = st.sampled_from(["", " ", "\n", "hi", "It rains. ", "\u2028", "é" * 30, "\x00"])
ids = st.sampled_from(["toolu_1", "call_0", "call|2 é", "emonk_call_x", ""]) | st.uuids().map(str)
arguments = st.dictionaries(words, st.none() | st.booleans() | st.integers(-5, 5) | words, max_size=2)
signatures = st.none() | st.sampled_from(["", "c2ln", "not base64!"])
blobs = st.builds(Blob, st.sampled_from(["image/png", "image/jpg", "audio/wav", ""]), st.binary(max_size=3), signatures)
kinds = st.sampled_from(["redacted_thinking", "server_tool_use", "web_search_tool_result", "mcp_tool_use", "later", ""])
foreign_data = st.fixed_dictionaries(
    {"type": kinds},
    optional={
        "id": words, "tool_use_id": words, "data": words, "input": arguments, "name": st.just("web_search"),
        "content": st.just([]) | words,
    },
)  # fmt: skip
calls = st.builds(
    ToolCall, ids, st.sampled_from(["f", "g.h", "é", "x" * 200]), arguments, signatures, st.none() | words
)
assistant_parts = (
    st.builds(Text, words, signatures)
    | st.builds(Thinking, words, signatures)
    | st.builds(Foreign, st.sampled_from(["anthropic", "gemini", "openai"]), foreign_data)
    | blobs
    | calls
)
providers = st.sampled_from(["anthropic", "anthropic", "gemini", "openai", ""])
said = st.builds(
    AssistantMessage,
    st.lists(assistant_parts, max_size=6).map(tuple),
    providers,
    st.sampled_from(["", "claude-sonnet-4-5", "claude-opus-5"]),
)
asked = st.lists(st.builds(Text, words), max_size=3).map(lambda parts: UserMessage(tuple(parts)))
shown = st.builds(UserMessage, st.lists(st.builds(Text, words) | blobs, max_size=3).map(tuple))
errors = st.sampled_from([None, None, "", "timeout"])


@st.composite
def histories(draw: st.DrawFn) -> list[Message]:
    """Users and models in any order; calls are answered in any order, in parts, or not at all."""
    messages: list[Message] = []
    for _ in range(draw(st.integers(1, 8))):
        if draw(st.booleans()):
            messages.append(draw(asked | shown))
            continue
        message = draw(said)
        messages.append(message)
        answered = [call for call in message.tool_calls if draw(st.integers(0, 9))]
        results = [
            ToolResult(call.id, call.name, draw(words), draw(errors)) for call in draw(st.permutations(answered))
        ]
        cut = draw(st.integers(0, len(results)))
        messages += [ToolMessage(tuple(some)) for some in (results[:cut], results[cut:]) if some]
    if draw(st.integers(0, 9)) == 0:
        messages.append(ToolMessage((ToolResult("nobody's", "f", "lost", None),)))
    return [*messages, user("go on")] if draw(st.booleans()) else messages


requests = st.builds(
    ModelRequest,
    histories(),
    tools=st.just(()) | st.just(TOOLS),
    instructions=words,
    max_output_tokens=st.none() | st.sampled_from([1, 1500, 100_000]),
    temperature=st.none() | st.sampled_from([0.0, 0.7, 2.0]),
    tool_choice=st.sampled_from(["auto", "required", "none"]),
    output_schema=st.none() | st.just({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}),
    required_tool=st.sampled_from(["", "g.h"]),
    reasoning_effort=st.none() | st.sampled_from(["none", "low", "medium", "high"]),
    cache_prompt=st.booleans(),
)


def official(body: Any) -> None:
    """Hold a request to the types of Anthropic's own client, whose lists are checked only as they are read."""
    _read((BETA_PARAMS if "block_binding" in body.get("thinking", {}) else PARAMS).validate_python(body))


def _read(found: Any) -> None:
    if isinstance(found, Mapping):
        found = cast("Mapping[str, Any]", found).values()
    if isinstance(found, Iterable) and not isinstance(found, str | bytes):
        for one in cast("Iterable[Any]", found):
            _read(one)


@settings(max_examples=600, deadline=None)
@given(requests, st.sampled_from(MODELS), st.booleans())
def test_every_request_keeps_the_rules(request: ModelRequest, model: str, stream: bool) -> None:
    try:
        raw = RequestWriter(model).write(request, stream=stream)
    except InvalidConfig as error:
        unsendable = error.code
    else:
        unsendable = ""
        _check_body(json.loads(raw), model)
    assert unsendable in {"", "unsupported_media", "empty_request"}


def _check_body(body: Any, model: str) -> None:
    check(body, betas=[BINDING_CONTROLS] if claude(model).binds_thinking else [])
    official(body)
    roles = [turn["role"] for turn in body["messages"]]
    assert roles == ["user" if at % 2 == 0 else "assistant" for at in range(len(roles))]


@settings(max_examples=200, deadline=None)
@given(histories(), st.sampled_from(MODELS))
def test_the_beginning_of_a_conversation_stays_the_same(history: list[Message], model: str) -> None:
    """What the cache has kept is found again when the conversation has gone on."""
    opening: list[Message] = [user("hi"), *history, user("go on")]
    longer = [*opening, AssistantMessage((Text("ok"),), "gemini"), user("more")]
    try:
        first, second = (json.loads(RequestWriter(model).write(ModelRequest(one, TOOLS))) for one in (opening, longer))
    except InvalidConfig:
        return
    sent = first["messages"]
    del sent[-1]["content"][-1]["cache_control"]
    assert second["messages"][: len(sent)] == sent


@pytest.mark.parametrize("missing", ["type", "source"])
def test_the_official_types_do_refuse(missing: str) -> None:
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aa=="}}
    del block[missing]
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [block]}]}
    with pytest.raises(ValueError, match=missing):
        official(body)
