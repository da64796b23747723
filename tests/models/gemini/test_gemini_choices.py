"""What a request chooses: the tool that must be called, how much to think, and whose words and signatures go along."""

import asyncio
import json
from typing import Any

import pytest
from google.genai import types

from emonk.errors import InvalidConfig
from emonk.messages import (
    AssistantMessage,
    Blob,
    Foreign,
    Message,
    Text,
    Thinking,
    ToolCall,
    UserMessage,
    tool_result,
    user,
)
from emonk.models.gemini.contents import PLACEHOLDER
from emonk.models.gemini.model import GeminiModel
from emonk.models.gemini.refusals import explain
from emonk.models.gemini.request import RequestWriter
from emonk.models.names import names_hint, names_near
from emonk.models.protocol import ModelRequest, ReasoningEffort, ToolCallDelta, ToolSchema
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import body, calls, fails, says, stream
from emonk.testing.gemini_rules import Refused, check

CITY = {"type": "object", "properties": {"day": {"type": "string"}, "city": {"type": "string", "contentEncoding": "x"}}}
WEATHER = ToolSchema("get_weather", "Tells the weather.", CITY)
OTHER = ToolSchema("other", "", {"type": "object"})
SIGNATURE = "c2ln"


def written(request: ModelRequest, model: str = "gemini-3-flash-preview") -> dict[str, Any]:
    sent = json.loads(RequestWriter(model).write(request))
    check(sent, model)
    return sent


def test_one_tool_must_be_called() -> None:
    sent = written(ModelRequest([user("hi")], tools=(WEATHER, OTHER), required_tool="other", tool_choice="none"))
    assert sent["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["other"]}}
    types.ToolConfig.model_validate(sent["toolConfig"])


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-flash-lite", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128, "includeThoughts": False}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "minimal", "includeThoughts": False}),
        ("gemini-3-flash-preview", "medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-3-pro-preview", "none", {"thinkingLevel": "low", "includeThoughts": False}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("models/gemini-3.8-flash", "low", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-flash-latest", "high", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-2.0-flash", "high", None),
        ("gemma-3-27b-it", "low", None),
    ],
)
def test_how_much_to_think(model: str, effort: ReasoningEffort, config: dict[str, Any] | None) -> None:
    sent = written(ModelRequest([user("hi")], reasoning_effort=effort), model)
    assert sent.get("generationConfig", {}).get("thinkingConfig") == config
    types.GenerationConfig.model_validate(sent.get("generationConfig", {}))


def test_thinking_is_left_to_the_model_unless_it_is_asked_for() -> None:
    assert "generationConfig" not in written(ModelRequest([user("hi")]))


def foreign(provider: str) -> list[Message]:
    call = ToolCall("toolu_1", "get_weather", {"city": "Paris"}, "not-for-gemini")
    said = (
        Thinking("secret", "c2VjcmV0"),
        Text("I look.", "c2VjcmV0"),
        Foreign(provider, {"type": "redacted_thinking"}),
        Blob("image/png", b"png", "c2VjcmV0"),
        Blob("image/png", b""),
        call,
        ToolCall("toolu_2", "get_weather", {"city": "Rome"}),
    )
    results = [tool_result("toolu_1", "rain", name="get_weather"), tool_result("toolu_2", "sun", name="get_weather")]
    return [user("Weather?"), AssistantMessage(said, provider), *results]


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_of_another_model_gemini_is_sent_what_any_could_have_said(provider: str) -> None:
    sent = written(ModelRequest(foreign(provider), tools=(WEATHER,)), "gemini-2.5-flash")
    assert sent["contents"][1]["parts"] == [
        {"text": "I look."},
        {"inlineData": {"mimeType": "image/png", "data": "cG5n"}},
        {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}, "id": "toolu_1"}},
        {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}, "id": "toolu_2"}},
    ]


def test_a_call_of_another_model_has_the_placeholder_where_gemini_wants_a_signature() -> None:
    sent = written(ModelRequest(foreign("anthropic"), tools=(WEATHER,)))
    first, second = sent["contents"][1]["parts"][2:]
    assert first["thoughtSignature"] == PLACEHOLDER
    assert "thoughtSignature" not in second
    with pytest.raises(Refused, match="missing a `thought_signature`"):
        check(json.loads(RequestWriter("gemini-2.5-flash").write(ModelRequest(foreign("x")))), "gemini-3-pro-preview")


@pytest.mark.parametrize("provider", ["", "gemini"])
def test_signatures_of_its_own_are_kept_also_those_of_old_logs(provider: str) -> None:
    said = AssistantMessage((ToolCall("a", "get_weather", {}, SIGNATURE), Thinking("hm", SIGNATURE)), provider)
    sent = written(ModelRequest([user("hi"), said, tool_result("a", "rain", name="get_weather")]))
    assert [part["thoughtSignature"] for part in sent["contents"][1]["parts"]] == [SIGNATURE, SIGNATURE]


@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (Blob("image/png", b""), "0 bytes"),
        (Blob("", b"x"), "a file of no type"),
        (Blob("image/gif", b"GIF89a"), "does not read image/gif"),
        (Blob("application/octet-stream", b"x"), "does not read application/octet-stream"),
    ],
)
def test_a_file_that_gemini_cannot_read_is_told_before_it_is_sent(blob: Blob, said: str) -> None:
    async def main() -> None:
        async with GeminiServer([says("never")]) as server:
            model = GeminiModel("gemini-2.5-flash", api_key="a-key", base_url=server.base_url)
            with pytest.raises(InvalidConfig, match=said):
                await model.generate(ModelRequest([UserMessage((Text("What is it?"), blob))]))
            await model.aclose()
        assert server.requests == []

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["image/jpeg", "IMAGE/PNG", "application/pdf", "text/csv; charset=utf-8", "audio/wav"])
def test_files_that_gemini_reads(kind: str) -> None:
    sent = written(ModelRequest([UserMessage((Blob(kind, b"x"),))]))
    assert sent["contents"][0]["parts"][0]["inlineData"]["mimeType"] == kind.replace("IMAGE/PNG", "image/png")


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        (
            "Unknown name \"contentEncoding\" at 'tools[0].function_declarations[1].parameters.properties[1].value'",
            "change the schema of the tool get_weather: 'contentEncoding' at parameters.properties.city",
        ),
        (
            "* tools[0].function_declarations[1].parameters.properties[city].items: missing field.",
            "change the schema of the tool get_weather: at parameters.properties.city.items",
        ),
        (
            "* GenerateContentRequest.tools[0].function_declarations[0]: bad.",
            "change the schema of the tool other: at its top",
        ),
        ("* tools[0].function_declarations[7].parameters: bad.", "as it was"),
        ("something else", "as it was"),
    ],
)
def test_a_refused_schema_names_the_tool_the_place_and_the_keyword(message: str, hint: str) -> None:
    error = InvalidConfig(message, hint="as it was")
    explain(error, [OTHER, WEATHER])
    assert error.hint == hint


def test_a_refused_schema_is_explained_in_both_calls() -> None:
    refusal = fails(400, "Unknown name \"x\" at 'tools[0].function_declarations[0].parameters': Cannot find field.")

    async def main() -> None:
        async with GeminiServer([refusal, refusal]) as server:
            model = GeminiModel("gemini-2.5-flash", api_key="a-key", base_url=server.base_url)
            asking = ModelRequest([user("hi")], tools=(WEATHER,))
            with pytest.raises(InvalidConfig, match="the tool get_weather: 'x' at parameters"):
                await model.generate(asking)
            with pytest.raises(InvalidConfig, match="the tool get_weather: 'x' at parameters"):
                [piece async for piece in model.stream(asking)]
            await model.aclose()

    asyncio.run(main())


def test_a_wrong_model_name_says_the_known_ones() -> None:
    assert names_near("gemini", "gemini-3.5-flahs")[0] == "gemini-3.5-flash"
    assert "gemini-3.8-flash" in names_hint("vertex", "gemini-3.8-flahs")
    assert names_hint("gemini", "zzz") == "check that 'zzz' is a model that this key may use"
    assert "known names" not in names_hint("gemini", "claude-haiku-4-5")
    assert names_near("unheard-of", "x") == ()


def test_calls_of_a_stream_are_counted_over_its_chunks() -> None:
    async def main() -> None:
        chunks = [body(calls("f", {"a": 1}), calls("g"), finish_reason=None), body(calls("h"))]
        async with GeminiServer([stream(chunks)]) as server:
            model = GeminiModel("gemini-2.5-flash", api_key="a-key", base_url=server.base_url)
            found = [one async for one in model.stream(ModelRequest([user("hi")])) if isinstance(one, ToolCallDelta)]
            await model.aclose()
        assert [(one.index, one.name, one.arguments) for one in found] == [
            (0, "f", '{"a":1}'),
            (1, "g", "{}"),
            (2, "h", "{}"),
        ]

    asyncio.run(main())
