"""A conversation that one provider's model began goes on at each of the others, as a request that its own SDK takes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from emonk.errors import EmonkError, InvalidConfig
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
    assistant,
    user,
)
from emonk.models.anthropic.model import AnthropicModel
from emonk.models.anthropic.request import RequestWriter as AnthropicWriter
from emonk.models.gemini.model import GeminiModel
from emonk.models.gemini.request import RequestWriter as GeminiWriter
from emonk.models.openai.endpoint import BASE_URL, endpoint_of
from emonk.models.openai.model import OpenAIModel
from emonk.models.protocol import Model, ModelRequest, ReasoningEffort, ToolSchema
from emonk.testing.anthropic import AnthropicServer
from emonk.testing.anthropic_rules import check as check_anthropic
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_rules import check as check_gemini
from emonk.testing.openai import OpenAIServer
from emonk.testing.stand_in import StandIn
from tests.models.anthropic.test_anthropic_histories import official
from tests.models.asking import over_http
from tests.models.openai.requests import PARAMS, allowed
from tests.models.recorded import Row, recorded, replay, rows_of

Check = Callable[[ModelRequest], Any]

CONTENTS: TypeAdapter[Any] = TypeAdapter(list[types.Content])
TOOLS: TypeAdapter[Any] = TypeAdapter(list[types.Tool])
COMPLETIONS: dict[str, TypeAdapter[Any]] = {api: TypeAdapter(PARAMS[api, False]) for api in ("chat", "responses")}


def read_through(found: Any) -> None:
    """Pydantic checks the lists of a TypedDict only as they are read."""
    if isinstance(found, Mapping):
        found = cast("Mapping[str, Any]", found).values()
    if isinstance(found, Iterable) and not isinstance(found, str | bytes):
        for one in cast("Iterable[Any]", found):
            read_through(one)


def to_gemini(request: ModelRequest, *, model: str) -> Any:
    body = json.loads(GeminiWriter(model).write(request))
    check_gemini(body, model)
    CONTENTS.validate_python(body["contents"])
    TOOLS.validate_python(body.get("tools", []))
    types.GenerationConfig.model_validate(body.get("generationConfig", {}))
    return body


def to_openai(request: ModelRequest, *, model: str, api: Any) -> Any:
    body = allowed(request, endpoint_of(model, BASE_URL, api), name=model)
    read_through(COMPLETIONS[api].validate_python(body))
    return body


def to_anthropic(request: ModelRequest, *, model: str) -> Any:
    body = json.loads(AnthropicWriter(model).write(request))
    check_anthropic(body)
    official(body)
    return body


TARGETS: dict[str, Check] = {
    "gemini-2.5": partial(to_gemini, model="gemini-2.5-flash"),
    "gemini-3": partial(to_gemini, model="gemini-3-flash-preview"),
    "openai": partial(to_openai, model="gpt-4o", api="chat"),
    "openai reasoning": partial(to_openai, model="o3", api="chat"),
    "openai-responses": partial(to_openai, model="o3", api="responses"),
    "anthropic": partial(to_anthropic, model="claude-sonnet-4-5"),
}

SOURCES: dict[str, tuple[Callable[[list[Any]], StandIn], Callable[[str], Model]]] = {
    "gemini": (GeminiServer, lambda url: GeminiModel("gemini-2.5-flash", api_key="a-key", base_url=url)),
    "openai_chat": (OpenAIServer, lambda url: OpenAIModel("gpt-4o", api_key="a-key", base_url=url)),
    "openai_responses": (OpenAIServer, lambda url: OpenAIModel("o3", api_key="a-key", base_url=url, api="responses")),
    "anthropic": (AnthropicServer, lambda url: AnthropicModel("claude-sonnet-4-5", api_key="a-key", base_url=url)),
}


async def said(model: Model, row: Row) -> AssistantMessage | None:
    """The message that an adapter makes of a recorded answer; None when that is an error."""
    try:
        return (await replay(model, row)).message
    except EmonkError:
        return None


def heard(source: str, rows: list[Row]) -> list[AssistantMessage | None]:
    make_server, make_model = SOURCES[source]
    messages: list[AssistantMessage | None] = []

    async def work(model: Model) -> None:
        messages.extend([await said(model, row) for row in rows])

    over_http(make_server([recorded(row) for row in rows]), make_model, work, answers=len(rows))
    return messages


def conversations(source: str, folder: Path) -> Iterator[list[Message]]:
    """Each recorded conversation with the results of its calls, and a last question."""
    rows = rows_of(folder / f"{source}.jsonl")
    pairs = zip(rows, heard(source, rows), strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0]["id"].partition("#")[0]):
        history: list[Message] = [user("hi")]
        for _, message in group:
            if message is None:
                continue
            results = tuple(ToolResult(call.id, call.name, '{"ok": true}') for call in message.tool_calls)
            history += [message, ToolMessage(results)] if results else [message, user("and then?")]
        yield [*history, user("go on")]


def asking(history: list[Message]) -> ModelRequest:
    names = {call.name for message in history if isinstance(message, AssistantMessage) for call in message.tool_calls}
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    tools = [ToolSchema(name, "Does it.", schema) for name in sorted(names)]
    return ModelRequest(history, tools=tools, instructions="Be brief.", reasoning_effort="low")


@pytest.mark.parametrize("source", SOURCES)
def test_what_was_recorded_from_one_goes_on_at_all(source: str, shared_data: Path) -> None:
    found = list(conversations(source, shared_data))
    assert sum(len(history) > 2 for history in found) > 20
    for history in found:
        request = asking(history)
        for name, check in TARGETS.items():
            body = check(request)
            assert "go on" in json.dumps(body), name


@pytest.mark.parametrize("source", SOURCES)
def test_in_the_midst_of_a_turn_too(source: str, shared_data: Path) -> None:
    """The last thing that was said are the results of calls, which the next model is to go on from."""
    turns = 0
    for history in conversations(source, shared_data):
        ends = [index for index, message in enumerate(history) if isinstance(message, ToolMessage)]
        for end in ends:
            turns += 1
            request = asking(history[: end + 1])
            for check in TARGETS.values():
                assert "ok" in json.dumps(check(request))
    assert turns > 10


@pytest.mark.parametrize("source", SOURCES)
def test_thinking_stays_with_its_own_provider(source: str, shared_data: Path) -> None:
    family = source.partition("_")[0]
    for history in conversations(source, shared_data):
        request = asking(history)
        own = [message for message in history if isinstance(message, AssistantMessage)]
        parts = [part for message in own for part in message.parts if not isinstance(part, Foreign)]
        signatures = [part.signature for part in parts if part.signature and len(part.signature) > 20]
        for name, check in TARGETS.items():
            if name.startswith(family):
                continue
            sent = json.dumps(check(request))
            assert not any(signature in sent for signature in signatures)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("kind", ["image/gif", "image/heic", "image/tiff", "audio/wav", "video/mp4", "application/zip"])
def test_a_file_that_one_does_not_take_ends_no_session(name: str, kind: str) -> None:
    """It is told at once where it is new; later a note stands for it."""
    sent = user([Text("see"), Blob(kind, b"bytes")])
    later = json.dumps(TARGETS[name](ModelRequest([sent, assistant("Nice."), user("and now?")])))
    if "cannot be shown" not in later:
        TARGETS[name](ModelRequest([sent]))
        return
    assert f"[{kind}: cannot be shown]" in later
    with pytest.raises(InvalidConfig, match=kind):
        TARGETS[name](ModelRequest([sent]))


@pytest.mark.parametrize("name", TARGETS)
def test_a_picture_is_sent_under_the_name_of_its_type(name: str) -> None:
    pictures = [Blob("image/jpg", b"bytes"), Blob("IMAGE/PNG; x=1", b"bytes")]
    sent = json.dumps(TARGETS[name](ModelRequest([user(pictures)])))
    assert "image/jpeg" in sent
    assert "image/png" in sent
    assert "image/jpg" not in sent


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SIGNED = st.none() | st.just("c2lnbmVkIGJ5IG1l")
IMAGES = ["image/png", "image/jpg", "image/gif", "image/heic", "image/tiff", "IMAGE/WEBP; x=1"]
DOCUMENTS = ["application/pdf", "application/json", "text/plain", "application/zip", ""]
KINDS = [*IMAGES, *DOCUMENTS, "audio/wav", "audio/ogg", "video/mp4"]
FILES = st.builds(Blob, st.sampled_from(KINDS), st.sampled_from([b"bytes", b""]))
SAID = st.builds(Text, WORDS, SIGNED) | st.builds(Thinking, WORDS, SIGNED) | FILES
IDS = st.sampled_from(["toolu_{}", "call_{}", "emonk_call_{}", "call|{} é", "{}" + "x" * 70])


@st.composite
def rounds(draw: st.DrawFn) -> list[Message]:
    """A question, what some model said to it, and the results of its calls, in any order and perhaps apart."""
    form = draw(IDS)
    calls = [ToolCall(form.format(index), draw(st.sampled_from(["f", "g"])), {"x": draw(WORDS)}) for index in range(3)]
    calls = calls[: draw(st.integers(0, 3))]
    parts = (*draw(st.lists(SAID, max_size=3)), *calls)
    message = AssistantMessage(parts, draw(st.sampled_from(["gemini", "openai", "openai-responses", "anthropic", ""])))
    results = [
        ToolResult(call.id, call.name, draw(WORDS), draw(st.sampled_from([None, "infra_error"]))) for call in calls
    ]
    results = draw(st.permutations(results))
    cut = draw(st.integers(0, len(results)))
    told = [ToolMessage(tuple(some)) for some in (results[:cut], results[cut:]) if some]
    asked = [Text(draw(WORDS.filter(str.strip))), *draw(st.lists(FILES, max_size=2))]
    return [user(asked), message, *told]


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None)
@given(turns=st.lists(rounds(), max_size=4), effort=st.sampled_from([None, "none", "high"]))
def test_generated_conversations_of_several_models_are_valid(
    name: str, turns: list[list[Message]], effort: ReasoningEffort | None
) -> None:
    history = [*(message for turn in turns for message in turn), user("go on")]
    TARGETS[name](msgspec.structs.replace(asking(history), reasoning_effort=effort))
