"""Messages to Gemini's contents and back: order, pairs, signatures, and nothing lost that Gemini wants again."""

import base64
import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.errors import InvalidConfig, Unavailable
from emonk.messages import (
    AssistantMessage,
    AssistantPart,
    Blob,
    Foreign,
    Message,
    Text,
    Thinking,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
    assistant,
    tool_result,
    user,
)
from emonk.models.gemini.contents import write_contents
from emonk.models.gemini.request import RequestWriter
from emonk.models.gemini.wire import MADE_UP_ID, is_lost, join_parts, read_body, read_part, read_usage
from emonk.models.protocol import ModelRequest, ToolSchema
from emonk.records import Usage
from emonk.testing.gemini_rules import Refused, check

SIGNATURE = base64.b64encode(b"thought").decode()
WEATHER = ToolSchema(
    "get_weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}}
)


def written(request: ModelRequest, model: str = "") -> Any:
    return json.loads(RequestWriter(model).write(request))


def contents(*messages: Message) -> list[dict[str, Any]]:
    return written(ModelRequest(messages))["contents"]


def test_a_whole_request() -> None:
    request = ModelRequest(
        [user("Weather?")],
        tools=(WEATHER,),
        instructions="Be brief.",
        max_output_tokens=100,
        temperature=0.0,
        tool_choice="required",
        output_schema={"type": "object"},
    )
    assert written(request, "gemini-3-flash-preview") == {
        "contents": [{"role": "user", "parts": [{"text": "Weather?"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "get_weather",
                        "description": "Tells the weather.",
                        "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {
            "maxOutputTokens": 100,
            "temperature": 0.0,
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
        },
    }


def test_a_schema_beside_tools_is_told_in_words_before_gemini_3() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    request = ModelRequest([user("Weather?")], tools=(WEATHER,), instructions="Be brief.", output_schema=schema)
    sent = written(request, "gemini-2.5-flash")
    check(sent, "gemini-2.5-flash")
    (told,) = sent["systemInstruction"]["parts"]
    assert told["text"].startswith("Be brief.\n\n")
    assert json.dumps(schema, separators=(",", ":")) in told["text"]
    assert "generationConfig" not in sent
    check(written(request, "gemini-3-flash-preview"), "gemini-3-flash-preview")
    alone = written(ModelRequest([user("Weather?")], output_schema=schema), "gemini-2.5-flash")
    check(alone, "gemini-2.5-flash")
    assert alone["generationConfig"]["responseJsonSchema"] == schema
    both = {**sent, "generationConfig": {"responseMimeType": "application/json"}}
    with pytest.raises(Refused, match="'application/json' is unsupported"):
        check(both, "gemini-2.5-flash")


def test_what_is_not_asked_for_is_not_sent() -> None:
    assert list(written(ModelRequest([user("hi")], tool_choice="required"))) == ["contents"]
    assert "toolConfig" not in written(ModelRequest([user("hi")], tools=(WEATHER,)))
    none = written(ModelRequest([user("hi")], tools=(WEATHER,), tool_choice="none"))
    assert none["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}


def test_tools_follow_the_request_though_they_are_encoded_once() -> None:
    writer = RequestWriter()
    other = ToolSchema("other", "", {"type": "object"})

    def names(*tools: ToolSchema) -> list[str]:
        sent = json.loads(writer.write(ModelRequest([user("hi")], tools=list(tools))))
        return [each["name"] for each in sent["tools"][0]["functionDeclarations"]]

    assert names(WEATHER) == ["get_weather"]
    assert names(WEATHER) == ["get_weather"]
    assert names(WEATHER, other) == ["get_weather", "other"]
    assert names(other) == ["other"]
    assert "tools" not in json.loads(writer.write(ModelRequest([user("hi")])))


def test_every_part_goes_back_as_it_came_with_its_own_signature() -> None:
    parts = [
        {"text": "hm", "thought": True, "thoughtSignature": SIGNATURE},
        {"text": "plain"},
        {"text": "", "thoughtSignature": SIGNATURE},
        {"functionCall": {"name": "f", "args": {"a": [1, None]}, "id": "x1"}, "thoughtSignature": SIGNATURE},
        {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": SIGNATURE},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"toolCall": {"id": "y", "toolType": "GOOGLE_SEARCH_WEB"}, "thoughtSignature": SIGNATURE},
        {"toolResponse": {"id": "y", "toolType": "GOOGLE_SEARCH_WEB"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAECAw=="}, "thoughtSignature": SIGNATURE},
        {"inlineData": {"mimeType": "image/png", "data": "AAECAw=="}, "thought": True},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://x"}, "videoMetadata": {"fps": 1}},
    ]
    read = [part for wire in parts if (part := read_part(wire)) is not None]
    kinds = [type(part).__name__ for part in read]
    assert kinds == ["Thinking", "Text", "Text", "ToolCall", *["Foreign"] * 4, "Blob", *["Foreign"] * 2]
    assert contents(AssistantMessage(tuple(read))) == [{"role": "model", "parts": parts}]


@pytest.mark.parametrize(
    "part",
    [
        {"functionResponse": {"name": "f", "response": {}}},
        {"inlineData": {"mimeType": "image/png", "data": "!!"}},
        {"inlineData": {"mimeType": "image/png", "data": "not base64"}, "thought": True},
        {"inlineData": {"mimeType": "", "data": "AAEC"}},
        {"inlineData": None},
    ],
)
def test_parts_that_could_never_be_sent_back_are_left_out(part: Any) -> None:
    assert read_part(part) is None
    assert is_lost(part)


@pytest.mark.parametrize(
    "data",
    [
        {"somethingNew": {"deep": [{"er": 1}]}, "thoughtSignature": SIGNATURE},
        {"thoughtSignature": SIGNATURE},
        {"thought": True},
        {"functionCall": {"name": "", "args": {}}},
        {"functionResponse": {"name": "f", "response": {}}},
        {"inlineData": {"mimeType": "image/png", "data": "!!"}},
        {"executableCode": "1"},
        {"executableCode": {}, "toolCall": {}},
    ],
)
def test_foreign_parts_that_gemini_would_refuse_stay_here_also_those_of_old_sessions(data: dict[str, Any]) -> None:
    foreign = Foreign("gemini", data)
    assert contents(user("a"), assistant([foreign]), user("b")) == contents(user("a"), user("b"))
    (_, said) = contents(user("a"), assistant([foreign, Text("b")]))
    assert said["parts"] == [{"text": "b"}]


def test_what_gemini_does_not_know_beside_a_part_stays_here() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    strange = {**code, "somethingNew": 1, "thought": "yes", "videoMetadata": 3, "thoughtSignature": "!!"}
    part = Foreign("gemini", strange)
    assert read_part(strange) == part
    assert contents(assistant([part])) == [{"role": "model", "parts": [code]}]


@pytest.mark.parametrize("signature", ["!!!not base64", "a", "é", ""])
def test_signatures_that_are_none_are_not_sent(signature: str) -> None:
    call = ToolCall("i", "f", {}, signature)
    said = assistant([Text("a", signature), Text("", signature), Thinking("b", signature), Thinking("", signature)])
    sent = contents(user("hi"), said, assistant([Blob("image/png", b"1", signature)], tool_calls=[call]))
    assert sent[1]["parts"] == [
        {"text": "a"},
        {"text": "b", "thought": True},
        {"inlineData": {"mimeType": "image/png", "data": "MQ=="}},
        {"functionCall": {"name": "f", "id": "i", "args": {}}},
    ]


@pytest.mark.parametrize("signature", [SIGNATURE, "-_-_", "YQ", "skip_thought_signature_validator"])
def test_signatures_of_either_alphabet_go_back_as_they_came(signature: str) -> None:
    (content,) = contents(assistant([Text("a", signature)]))
    assert content["parts"] == [{"text": "a", "thoughtSignature": signature}]


def test_a_signature_alone_is_that_of_an_empty_text() -> None:
    assert read_part({"thoughtSignature": SIGNATURE}) == Text("", SIGNATURE)


def test_a_blob_in_the_other_alphabet_is_read() -> None:
    assert read_part({"inlineData": {"mimeType": "x/y", "data": "-_8"}}) == Blob("x/y", b"\xfb\xff")


@pytest.mark.parametrize("part", [None, 1, "x", [], {}, {"text": ""}, {"text": "", "thought": True}])
def test_parts_that_say_nothing_are_left_out(part: Any) -> None:
    assert read_part(part) is None
    assert not is_lost(part)


def test_a_call_without_an_id_gets_one_that_is_never_sent() -> None:
    part = read_part({"functionCall": {"name": "f"}})
    assert isinstance(part, ToolCall)
    assert part.id.startswith(MADE_UP_ID)
    assert part.arguments == {}
    assert contents(user("hi"), assistant(tool_calls=[part]), tool_result(part, "ok"))[1:] == [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "ok"}}}]},
    ]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"name": "f", "id": "i", "args": [1]}, ToolCall("i", "f", {}, None, "[1]")),
        ({"name": "f", "id": "i", "args": "x"}, ToolCall("i", "f", {}, None, '"x"')),
        ({"name": "f", "id": "i", "args": None}, ToolCall("i", "f")),
        ({"name": "", "args": {}}, None),
        ({"name": 7, "args": {}}, None),
        ({"args": {}}, None),
        (None, None),
    ],
)
def test_calls_that_are_not_as_documented(call: Any, expected: AssistantPart | None) -> None:
    assert read_part({"functionCall": call}) == expected


def test_results_are_one_content_in_the_order_of_the_calls() -> None:
    first, second, third = (ToolCall(f"id{index}", name) for index, name in enumerate("abc"))
    sent = contents(
        user("hi"),
        assistant(tool_calls=[first, second, third]),
        ToolMessage((ToolResult("id2", "c", "3"), ToolResult("id0", "a", "1"))),
        tool_result(second, "2"),
    )
    assert [content["role"] for content in sent] == ["user", "model", "user"]
    assert [part["functionResponse"]["name"] for part in sent[2]["parts"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("result", "response"),
    [
        (ToolResult("i", "f", "sunny"), {"output": "sunny"}),
        (ToolResult("i", "f", ""), {"output": ""}),
        (ToolResult("i", "f", '{"error": 0, "n": 123456789012345678901234567890}'),
         {"output": {"error": 0, "n": 123456789012345678901234567890}}),
        (ToolResult("i", "f", "[1, 2]"), {"output": [1, 2]}),
        (ToolResult("i", "f", "[see below]"), {"output": "[see below]"}),
        (ToolResult("i", "f", "15"), {"output": "15"}),
        (ToolResult("i", "f", "no such city", "invalid_arguments"), {"error": "no such city"}),
        (ToolResult("i", "f", '{"a": 1}', "infra_error"), {"error": '{"a": 1}'}),
    ],
)  # fmt: skip
def test_a_result_is_output_or_error(result: ToolResult, response: dict[str, Any]) -> None:
    sent = contents(user("hi"), assistant(tool_calls=[ToolCall("i", "f")]), ToolMessage((result,)))
    assert sent[-1]["parts"] == [{"functionResponse": {"name": "f", "id": "i", "response": response}}]


def test_neighbours_of_one_role_are_one_content_but_results_stay_alone() -> None:
    call = ToolCall("i", "f")
    sent = contents(
        user("a"), user("b"), assistant("c"), assistant(tool_calls=[call]), tool_result(call, "d"), user("e")
    )
    assert [(content["role"], len(content["parts"])) for content in sent] == [
        ("user", 2),
        ("model", 2),
        ("user", 1),
        ("user", 1),
    ]
    check({"contents": sent})


def test_messages_without_parts_for_gemini_are_left_out() -> None:
    alien = Foreign("anthropic", {"type": "redacted_thinking"})
    assert contents(
        user([Text("")]), user("a"), assistant([alien, Text(""), Thinking("")]), assistant(), ToolMessage(()), user("b")
    ) == [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]


def test_bytes_go_as_base64() -> None:
    sent = contents(user([Text("look"), Blob("image/png", b"\x00\x01\x02\x03")]))
    assert sent[0]["parts"][1] == {"inlineData": {"mimeType": "image/png", "data": "AAECAw=="}}


@pytest.mark.parametrize("bad", ["\ud800", object(), {(1, 2): 3}])
def test_what_has_no_json_form_is_told(bad: Any) -> None:
    with pytest.raises(InvalidConfig, match="no JSON form") as caught:
        written(ModelRequest([user("hi"), assistant(tool_calls=[ToolCall("i", "f", {"a": bad})])]))
    assert caught.value.code == "unencodable_request"


def test_a_tool_result_with_half_a_surrogate_is_told() -> None:
    call = ToolCall("i", "f")
    with pytest.raises(InvalidConfig, match="no JSON form"):
        written(ModelRequest([user("hi"), assistant(tool_calls=[call]), tool_result(call, '{"a": "\ud800"}')]))


def test_text_of_a_stream_is_joined_but_never_across_a_signature() -> None:
    parts: list[AssistantPart] = [
        Thinking("a"), Thinking("b"), Text("c"), Text("d"), Text("e", "s"), Text("f"), Text("g"), Text("", "t")
    ]  # fmt: skip
    assert join_parts(parts) == (Thinking("ab"), Text("cd"), Text("e", "s"), Text("fg"), Text("", "t"))


@pytest.mark.parametrize(
    ("meta", "usage"),
    [
        (None, Usage()),
        ({}, Usage()),
        (
            {
                "promptTokenCount": 100,
                "toolUsePromptTokenCount": 20,
                "cachedContentTokenCount": 60,
                "candidatesTokenCount": 7,
                "thoughtsTokenCount": 30,
                "totalTokenCount": 157,
            },
            Usage(input_tokens=120, output_tokens=37, cached_input_tokens=60, reasoning_tokens=30),
        ),
        ({"promptTokenCount": "12", "candidatesTokenCount": None, "thoughtsTokenCount": -3}, Usage(input_tokens=12)),
        ({"promptTokenCount": 1.5, "candidatesTokenCount": True, "thoughtsTokenCount": []}, Usage()),
    ],
)
def test_usage_in_one_definition(meta: dict[str, Any] | None, usage: Usage) -> None:
    assert read_usage(meta) == usage


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b"<html>", b"{", b'{"candidates": 1}', b"\xff", b'{"responseId": 5}', b"[" * 100_000,
     b'{"usageMetadata": ' + b'{"a": ' * 100_000],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_the_provider_s_fault(raw: bytes) -> None:
    with pytest.raises(Unavailable, match="cannot be read") as caught:
        read_body(raw)
    assert caught.value.code == "malformed_body"


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(["get_weather", "search", "f"])
JSON = st.dictionaries(WORDS, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS, max_size=3)
SIGNATURES = st.none() | st.just(SIGNATURE)
SAID = st.lists(st.builds(Text, WORDS, SIGNATURES) | st.builds(Thinking, WORDS, SIGNATURES), max_size=3)


@st.composite
def steps(draw: st.DrawFn) -> list[Message]:
    """A user's message, perhaps a model's words, perhaps calls with their results."""
    messages: list[Message] = [
        UserMessage((Text(draw(WORDS.filter(bool))), Blob("image/png", draw(st.binary(min_size=1)))))
    ]
    calls = [ToolCall(f"{MADE_UP_ID}{index}", draw(NAMES), draw(JSON)) for index in range(draw(st.integers(0, 3)))]
    said: list[AssistantPart] = [*draw(SAID), *calls]
    if said:
        messages.append(AssistantMessage(tuple(said)))
    results = [ToolResult(call.id, call.name, draw(WORDS), draw(st.none() | st.just("infra_error"))) for call in calls]
    messages += [ToolMessage((result,)) for result in draw(st.permutations(results))]
    return messages


@settings(deadline=None)
@given(st.lists(steps(), min_size=1, max_size=4))
def test_any_paired_conversation_is_valid_for_gemini_and_for_google_s_own_types(turns: list[list[Message]]) -> None:
    sent = contents(*(message for turn in turns for message in turn))
    check({"contents": sent})
    assert [types.Content.model_validate(content).role for content in sent] == [content["role"] for content in sent]


@settings(deadline=None)
@given(st.lists(steps(), min_size=1, max_size=3))
def test_what_the_model_said_survives_the_way_there_and_back(turns: list[list[Message]]) -> None:
    said = [message for turn in turns for message in turn if isinstance(message, AssistantMessage)]
    for message in said:
        for content in write_contents([message]):
            back = [read_part(json.loads(json.dumps(part))) for part in content["parts"]]
            kept = [part for part in message.parts if getattr(part, "text", "x") or getattr(part, "signature", None)]
            assert [_without_id(part) for part in back if part] == [_without_id(part) for part in kept]


def _without_id(part: AssistantPart) -> AssistantPart:
    return ToolCall("", part.name, part.arguments, part.signature) if isinstance(part, ToolCall) else part
