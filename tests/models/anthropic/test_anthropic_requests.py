"""Requests to Anthropic: tools, thinking, output, caching, each by the model that is asked."""

import json
from typing import Any

import pytest

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
    assistant,
    tool_result,
    user,
)
from emonk.models.anthropic.claude import Claude, claude
from emonk.models.anthropic.request import RequestWriter
from emonk.models.anthropic.schema import output_schema
from emonk.models.protocol import ModelRequest, ReasoningEffort, ToolSchema
from emonk.testing.anthropic_rules import check

SONNET = "claude-sonnet-4-5"
WEATHER = ToolSchema(
    "get_weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}}
)
CALL = ToolCall("toolu_1", "get_weather", {"city": "Paris"})
PNG = Blob("image/png", b"\x89PNG")


def written(request: ModelRequest, model: str = SONNET) -> Any:
    body = json.loads(RequestWriter(model).write(request))
    check(body)
    return body


def turns(*messages: Message, model: str = SONNET) -> list[Any]:
    return written(ModelRequest(messages, (WEATHER,), cache_prompt=False), model)["messages"]


def said(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": one} if isinstance(one, str) else one for one in blocks]}


def thinking(text: str, signature: str = "c2ln") -> dict[str, str]:
    return {"type": "thinking", "thinking": text, "signature": signature}


def test_a_whole_request() -> None:
    request = ModelRequest(
        [user("Weather?")],
        tools=(WEATHER,),
        instructions="Be brief.",
        max_output_tokens=100,
        temperature=0.5,
        tool_choice="required",
        output_schema={"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}},
    )
    marked = {"cache_control": {"type": "ephemeral"}}
    assert written(request) == {
        "model": SONNET,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Weather?", **marked}]}],
        "system": [{"type": "text", "text": "Be brief.", **marked}],
        "tools": [
            {
                "name": "get_weather",
                "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
                "description": "Tells the weather.",
                **marked,
            }
        ],
        "tool_choice": {"type": "any"},
        "temperature": 0.5,
        "output_config": {
            "format": {
                "type": "json_schema",
                "schema": {
                    "type": "object",
                    "properties": {"n": {"type": "integer", "description": "{minimum: 1}"}},
                    "additionalProperties": False,
                },
            }
        },
    }


def test_nothing_is_marked_for_the_cache_unless_it_is_asked_for() -> None:
    request = ModelRequest([user("hi")], (WEATHER,), "Be brief.", cache_prompt=False)
    assert "cache_control" not in json.dumps(written(request))


def test_results_come_first_in_one_turn_and_in_the_order_of_the_calls() -> None:
    calls = (CALL, ToolCall("toolu_2", "get_weather", {"city": "Rome"}), ToolCall("toolu_3", "get_weather"))
    results = (
        ToolResult("toolu_3", "get_weather", "", "timeout"),
        ToolResult("toolu_1", "get_weather", "rain"),
    )
    sent = turns(
        user("hi"), AssistantMessage((Text("Looking."), *calls)), ToolMessage(results), user("And?"), user("So?")
    )
    assert sent[2] == said(
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
        {
            "type": "tool_result",
            "tool_use_id": "toolu_2",
            "content": "There is no result of this call.",
            "is_error": True,
        },
        {"type": "tool_result", "tool_use_id": "toolu_3", "content": "timeout", "is_error": True},
        "And?",
        "So?",
    )


def test_every_history_begins_and_ends_with_the_user() -> None:
    assert turns(assistant("Hello. \n"), assistant("More.")) == [
        said("Continue."),
        said("Hello. \n", "More.", role="assistant"),
        said("Continue."),
    ]
    assert turns(user("  "), user(""), user("hi")) == [said("hi")]
    with pytest.raises(InvalidConfig, match="nothing to send"):
        turns(user("  "))


def test_ids_and_names_of_others_are_made_valid_and_stay_pairs() -> None:
    first, second = ToolCall("call|1é", "get.weather"), ToolCall("call|1é", "get.weather")
    sent = turns(
        user("hi"), assistant(tool_calls=[first]), tool_result(first, "a"),
        assistant(tool_calls=[second]), tool_result(second, "b"),
    )  # fmt: skip
    ids = [turn["content"][0].get("id") or turn["content"][0]["tool_use_id"] for turn in sent[1:]]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert sent[1]["content"][0]["name"] == sent[3]["content"][0]["name"] != "get.weather"


def test_arguments_that_were_no_json_are_shown_as_they_came() -> None:
    call = ToolCall("toolu_1", "get_weather", malformed='{"city": ')
    sent = turns(user("hi"), assistant(tool_calls=[call]), tool_result(call, "bad", error="invalid_arguments"))
    assert sent[1]["content"][0]["input"] == {"INVALID_JSON": '{"city": '}


def test_own_thinking_goes_back_in_its_place_and_that_of_others_does_not() -> None:
    parts = (Thinking("a", "c2ln"), Text("b"), Thinking("c", "d"), Thinking("unsigned"), CALL)
    own = AssistantMessage(parts, "anthropic", SONNET)
    sent = turns(user("hi"), own, tool_result(CALL, "rain"))[1]["content"]
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}
    assert sent == [thinking("a"), {"type": "text", "text": "b"}, thinking("c", "d"), call]
    for provider in ("", "gemini", "openai"):
        sent = turns(user("hi"), AssistantMessage(parts, provider), tool_result(CALL, "rain"))[1]["content"]
        assert [block["type"] for block in sent] == ["text", "tool_use"]


@pytest.mark.parametrize(
    ("model", "sent"), [("claude-opus-4-8", False), ("claude-haiku-4-5", False), ("claude-opus-5-5", True)]
)
def test_thinking_of_another_claude_goes_only_to_those_that_leave_out_what_they_cannot_read(
    model: str, sent: bool
) -> None:
    parts = (Thinking("a", "c2ln"), Foreign("anthropic", {"type": "redacted_thinking", "data": "x"}), CALL)
    history = (user("hi"), AssistantMessage(parts, "anthropic", SONNET), tool_result(CALL, "rain"))
    kinds = [block["type"] for block in turns(*history, model=model)[1]["content"]]
    assert kinds == (["thinking", "redacted_thinking"] if sent else []) + ["tool_use"]


def test_thinking_that_nothing_came_of_is_not_sent() -> None:
    only = AssistantMessage((Thinking("a", "c2ln"),), "anthropic")
    assert turns(user("hi"), only, user("well?")) == [said("hi", "well?")]


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        (SONNET, "high", {"thinking": {"type": "enabled", "budget_tokens": 16_384}, "max_tokens": 32_384}),
        (SONNET, "low", {"thinking": {"type": "enabled", "budget_tokens": 2_048}, "max_tokens": 18_048}),
        (SONNET, "none", {"max_tokens": 16_000}),
        (SONNET, None, {"max_tokens": 16_000}),
        ("claude-3-opus-latest", "high", {"max_tokens": 4_096}),
        ("claude-3-7-sonnet-latest", "medium", {"thinking": {"type": "enabled", "budget_tokens": 8_192}}),
        ("claude-sonnet-4-6", "high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("claude-sonnet-4-6", None, {"max_tokens": 16_000}),
        (
            "claude-opus-4-8",
            "low",
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
        ),
        ("claude-opus-5", "none", {"thinking": {"type": "disabled"}}),
        ("claude-opus-5", None, {"thinking": {"type": "adaptive", "display": "summarized"}, "max_tokens": 32_000}),
        ("claude-opus-5-5", "none", {"output_config": {"effort": "low"}}),
        ("claude-sonnet-5-5", "none", {"thinking": {"type": "between_tools"}}),
        ("deepseek-chat", "high", {"thinking": {"type": "enabled", "budget_tokens": 16_384}}),
    ],
)
def test_how_much_is_thought_by_model(model: str, effort: ReasoningEffort | None, expected: dict[str, Any]) -> None:
    body = written(ModelRequest([user("hi")], reasoning_effort=effort), model)
    told = {key: value for key, value in body.items() if key in {"thinking", "output_config"}}
    assert told == {key: value for key, value in expected.items() if key != "max_tokens"}
    assert body["max_tokens"] == expected.get("max_tokens", body["max_tokens"])


@pytest.mark.parametrize("limit", [1, 1000, 2047, 2048, 5000, 200_000])
def test_the_budget_stays_below_the_limit(limit: int) -> None:
    request = ModelRequest([user("hi")], max_output_tokens=limit, temperature=1.5, reasoning_effort="high")
    body = written(request)
    assert body["max_tokens"] == min(limit, 64_000)
    assert ("thinking" in body) == (limit >= 2048)
    assert ("temperature" in body) == (limit < 2048)


def test_what_may_not_be_sent_with_thinking_is_left_out() -> None:
    assert written(ModelRequest([user("hi")], temperature=2.0))["temperature"] == 1.0
    assert "temperature" not in written(ModelRequest([user("hi")], temperature=0.0), "claude-opus-4-7")
    forced = ModelRequest([user("hi")], (WEATHER,), required_tool="get_weather", reasoning_effort="high")
    assert written(forced)["tool_choice"] == {"type": "tool", "name": "get_weather"}
    assert "thinking" not in written(forced)
    assert "thinking" in written(forced, "claude-sonnet-4-6")


def test_a_model_that_refuses_forced_tools_is_asked_in_words() -> None:
    forced = ModelRequest([user("hi")], (WEATHER,), required_tool="get_weather")
    body = written(forced, "claude-opus-5-5")
    assert "tool_choice" not in body
    assert "`get_weather`" in body["messages"][-1]["content"][-1]["text"]


def test_no_budget_for_thinking_in_the_middle_of_calls_that_began_without() -> None:
    def thinks(*messages: Message) -> bool:
        return "thinking" in written(ModelRequest(messages, (WEATHER,), reasoning_effort="low"))

    mine = AssistantMessage((Thinking("a", "c2ln"), CALL), "anthropic")
    bare = AssistantMessage((ToolCall("toolu_2", "get_weather"),), "anthropic")
    others = AssistantMessage((ToolCall("toolu_3", "get_weather"),), "gemini")
    begun = (user("hi"), mine, tool_result(CALL, "rain"))
    assert thinks(*begun)
    assert thinks(*begun, bare, tool_result("toolu_2", "rain", name="get_weather"))
    assert not thinks(*begun, others, tool_result("toolu_3", "rain", name="get_weather"))
    assert not thinks(user("hi"), bare, tool_result("toolu_2", "rain", name="get_weather"))
    assert thinks(user("hi"), others, tool_result("toolu_3", "rain", name="get_weather"), assistant("ok"), user("?"))


def test_bound_thinking_may_be_dropped_once_its_conversation_has_changed() -> None:
    mine = AssistantMessage((Thinking("", "c2ln"), CALL), "anthropic")
    history = [user("hi"), mine, tool_result(CALL, "rain")]
    body = written(ModelRequest(history, (WEATHER,)), "claude-fable-5-1")
    assert body["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    without = written(ModelRequest(history, (WEATHER,), reasoning_effort="none"), "claude-sonnet-5-5")
    assert without["thinking"] == {"type": "between_tools"}
    assert [block["type"] for block in without["messages"][1]["content"]] == ["tool_use"]


def test_a_result_of_a_server_that_holds_nothing_is_not_sent() -> None:
    call = Foreign("anthropic", {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}})
    empty = Foreign("anthropic", {"type": "web_search_tool_result", "tool_use_id": "s1"})
    assert turns(user("hi"), AssistantMessage((call, empty), "anthropic"), user("so?")) == [said("hi", "so?")]


@pytest.mark.parametrize("missing", ["id", "name", "input"])
def test_a_call_of_a_server_that_is_not_whole_is_not_sent(missing: str) -> None:
    call: dict[str, Any] = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    paused = turns(user("hi"), AssistantMessage((Foreign("anthropic", call),), "anthropic"))
    assert paused[-1] == {"role": "assistant", "content": [call]}
    del call[missing]
    sent = turns(user("hi"), AssistantMessage((Foreign("anthropic", call),), "anthropic"))
    assert "server_tool_use" not in str(sent)


def test_images_and_files_of_the_user() -> None:
    parts = (Text("See"), PNG, Blob("image/jpg", b"x"), Blob("application/pdf", b"%PDF"), Blob("text/csv", b"a,b"))
    sent = turns(user(parts))[0]["content"]
    assert [block["type"] for block in sent] == ["text", "image", "image", "document", "document"]
    assert sent[1]["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
    assert sent[2]["source"]["media_type"] == "image/jpeg"
    assert sent[4]["source"] == {"type": "text", "media_type": "text/plain", "data": "a,b"}


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (Blob("image/png", b""), "a part of type image/png holds no bytes"),
        (Blob("image/tiff", b"x"), "the Anthropic API takes no image/tiff"),
        (Blob("", b"x"), "the Anthropic API takes no bytes without a media type"),
    ],
)
def test_what_cannot_be_shown_ends_its_own_turn_and_no_later_one(blob: Blob, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        turns(user((Text("See"), blob)))
    assert caught.value.code == "unsupported_media"
    assert "cannot be shown" in turns(user((Text("See"), blob)), user("and now?"))[0]["content"][1]["text"]


def test_images_of_a_model_are_shown_in_the_user_s_next_turn() -> None:
    drawn = AssistantMessage((Text("Here."), PNG, Blob("audio/wav", b"x"), CALL), "gemini")
    sent = turns(user("Draw."), drawn, tool_result(CALL, "rain"), user("Nice."))
    assert [block["type"] for block in sent[1]["content"]] == ["text", "tool_use"]
    assert [block["type"] for block in sent[2]["content"]] == ["tool_result", "image", "text"]


def test_calls_want_their_tools_declared_also_where_none_are_offered() -> None:
    body = written(ModelRequest([user("hi"), assistant(tool_calls=[CALL]), tool_result(CALL, "rain")]))
    assert body["tools"] == [{"name": "get_weather", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in written(ModelRequest([user("hi")], tool_choice="required"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"type": "object", "anyOf": [{"required": ["a"]}]}, "tool 'f': Anthropic takes no `anyOf` at the top level"),
        ({"type": "array"}, "tool 'f': `type` at the top level of the parameters is 'array' and must be 'object'"),
        ({"type": "object", "properties": {"ä b": {}}}, "tool 'f': `properties` has 'ä b'"),
    ],
)
def test_a_schema_that_would_be_refused_is_named_with_keyword_and_place(
    parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidConfig, match=message):
        RequestWriter(SONNET).write(ModelRequest([user("hi")], (ToolSchema("f", "", parameters),)))


def test_tools_without_parameters_and_with_strange_names() -> None:
    writer = RequestWriter(SONNET)
    request = ModelRequest([user("hi")], (ToolSchema("a.b", "", {}),), required_tool="a.b")
    body = json.loads(writer.write(request))
    check(body)
    name = body["tools"][0]["name"]
    assert body["tools"][0]["input_schema"] == {"type": "object", "properties": {}}
    assert body["tool_choice"]["name"] == name
    assert writer.original_names == {name: "a.b"}


def test_older_models_answer_a_schema_by_a_call() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    body = written(ModelRequest([user("hi")], output_schema=schema, reasoning_effort="high"), "claude-sonnet-4-0")
    assert body["tools"] == [{"name": "json_answer", "input_schema": schema}]
    assert body["tool_choice"] == {"type": "tool", "name": "json_answer"}
    assert "thinking" not in body
    body = written(ModelRequest([user("hi")], (WEATHER,), output_schema={"type": "array"}), "claude-sonnet-4-0")
    assert body["tool_choice"] == {"type": "any"}
    assert body["tools"][1]["input_schema"]["properties"] == {"answer": {"type": "array"}}


def test_a_schema_of_answers_keeps_what_is_taken_and_tells_the_rest() -> None:
    schema = {
        "type": "object",
        "additionalProperties": True,
        "required": ["tags"],
        "properties": {
            "tags": {"type": "array", "minItems": 2, "items": {"type": "string", "format": "color", "maxLength": 3}},
            "at": {"type": ["string", "null"], "format": "date", "description": "When."},
            "of": {"oneOf": [{"const": 1}, {"$ref": "#/$defs/N"}]},
        },
        "$defs": {"N": {"type": "number", "minimum": 0}},
    }
    assert output_schema(schema) == {
        "type": "object",
        "additionalProperties": False,
        "required": ["tags"],
        "properties": {
            "tags": {
                "type": "array",
                "description": "{minItems: 2}",
                "items": {"type": "string", "description": "{format: color, maxLength: 3}"},
            },
            "at": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "description": "When."},
            "of": {"anyOf": [{"const": 1}, {"$ref": "#/$defs/N"}]},
        },
        "$defs": {"N": {"type": "number", "description": "{minimum: 0}"}},
    }
    written(ModelRequest([user("hi")], output_schema=schema))


def test_a_request_without_json_form_is_a_setting_that_cannot_be_used() -> None:
    for request in (
        ModelRequest([user("\ud800")]),
        ModelRequest([user("hi"), assistant(tool_calls=[ToolCall("a", "f", {"x": object()})])]),
    ):
        with pytest.raises(InvalidConfig) as caught:
            RequestWriter(SONNET).write(request)
        assert caught.value.code == "unencodable_request"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-sonnet-4-5-20250929", Claude("sonnet", (4, 5))),
        ("claude-sonnet-4-20250514", Claude("sonnet", (4, 0))),
        ("claude-opus-5", Claude("opus", (5, 0))),
        ("anthropic/claude-opus-4.8", Claude("opus", (4, 8))),
        ("claude-3-7-sonnet-latest", Claude("sonnet", (3, 7))),
        ("claude-3-opus-20240229", Claude("opus", (3, 0))),
        ("claude-fable-5-1", Claude("fable", (5, 1))),
        ("claude-mythos-preview", Claude("mythos", (5, 0))),
        ("claude-2.1", Claude()),
        ("MiniMax-M2", Claude()),
    ],
)
def test_versions_are_read_from_names(name: str, expected: Claude) -> None:
    assert claude(name) == expected
