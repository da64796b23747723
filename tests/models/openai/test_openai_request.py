"""Requests: valid for OpenAI by its rules and by its SDK's types, whatever the history and whoever made it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    assistant,
    tool_result,
    user,
)
from emonk.models.openai.endpoint import BASE_URL, Endpoint, endpoint_of
from emonk.models.openai.responses_answer import ResponsesAnswer
from emonk.models.openai.written import effort_of, encode
from emonk.models.protocol import ModelRequest, ToolSchema
from emonk.testing.openai_answers import item, item_reasoning, response
from tests.models.openai.requests import typed, written

CHAT = endpoint_of("gpt-4o", BASE_URL, "chat")
RESPONSES = endpoint_of("o3", BASE_URL, "responses")
LOCAL = endpoint_of("llama", "http://localhost:11434/v1", "chat")
ROUTER = endpoint_of("openai/o3", "https://openrouter.ai/api/v1", "chat")
DEEPSEEK = endpoint_of("deepseek-chat", "https://api.deepseek.com", "chat")
ENDPOINTS = (CHAT, RESPONSES, LOCAL)
PNG = Blob("image/png", b"\x89PNG")
OPEN: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
STRICT: dict[str, Any] = {**OPEN, "required": ["city"], "additionalProperties": False}
WEATHER = ToolSchema("get_weather", "Tells the weather.", OPEN)

texts = st.text(max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
signatures = st.none() | st.sampled_from(["c2ln", "rs_1", "msg_1 final_answer", "reasoning", "é " * 50])
FOREIGN: list[dict[str, Any]] = [
    {"executableCode": {"code": "1"}},
    {"type": "redacted_thinking", "data": "abc"},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
    {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "web_search_call", "id": "ws_1"},
    {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    {},
]
foreign_data = st.sampled_from(FOREIGN)
providers = st.sampled_from(["", "gemini", "anthropic", "openai", "openai-responses", "openai@elsewhere"])
call_ids = st.sampled_from(
    ["call_1", "call_2", "toolu_01A", "emonk_call_" + "0" * 36, "a.b/c", "é", "x" * 64, "x" * 65]
)
calls = st.builds(
    ToolCall,
    call_ids,
    st.sampled_from(["get_weather", "a.b.c", "n" * 70, "naïve tool"]),
    st.dictionaries(texts, json_values, max_size=2),
    signatures,
    st.none() | st.just('{"cut'),
)
assistant_parts = st.lists(
    st.builds(Text, texts, signatures)
    | st.builds(Thinking, texts, signatures)
    | st.just(PNG)
    | st.builds(Foreign, providers, foreign_data)
    | calls,
    max_size=5,
)
user_parts = st.lists(
    st.builds(Text, texts) | st.sampled_from([PNG, Blob("application/pdf", b"%PDF"), Blob("text/plain", b"hi")]),
    min_size=1,
    max_size=2,
)


@st.composite
def histories(draw: st.DrawFn) -> list[Message]:
    """Users and models in any order; calls are answered at once, with distinct ids within a message."""
    said: list[Message] = [user("begin")]
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            said.append(UserMessage(tuple(draw(user_parts))))
            continue
        parts = draw(assistant_parts)
        seen: set[str] = set()
        distinct = [
            each for each in parts if not isinstance(each, ToolCall) or not (each.id in seen or seen.add(each.id))
        ]
        message = AssistantMessage(tuple(distinct), draw(providers))
        said.append(message)
        if message.tool_calls:
            said.append(ToolMessage(tuple(ToolResult(each.id, each.name, draw(texts)) for each in message.tool_calls)))
    return said


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.booleans(), st.sampled_from(["auto", "required", "none"]))
def test_every_history_is_a_valid_request(history: list[Message], stream: bool, choice: Any) -> None:
    request = ModelRequest(history, (WEATHER, ToolSchema("a.b", "", {})), "Be brief.", 100, tool_choice=choice)
    for endpoint in ENDPOINTS:
        typed(request, endpoint, stream=stream)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_calls_and_results_of_others_get_ids_that_openai_takes(endpoint: Endpoint) -> None:
    one, two = ToolCall("toolu_" + "x" * 60, "f"), ToolCall("a.b", "g.h", {"a": 1}, "c2ln")
    history = [
        user("hi"),
        AssistantMessage((Text("so", "c2ln"), one, two), "gemini"),
        tool_result(one, "1"),
        tool_result(two, "2"),
    ]
    body = typed(ModelRequest(history), endpoint)
    if endpoint.api == "chat":
        made = [call["id"] for call in body["messages"][1]["tool_calls"]]
        answered = [message["tool_call_id"] for message in body["messages"][2:]]
    else:
        made = [item["call_id"] for item in body["input"] if item.get("type") == "function_call"]
        answered = [item["call_id"] for item in body["input"] if item.get("type") == "function_call_output"]
    assert made == answered
    assert len(set(made)) == 2
    assert typed(ModelRequest(history), endpoint) == body, "the same in every request, so that a cache can serve it"


def test_ids_of_a_server_go_back_to_it_as_they_were_and_no_two_calls_of_a_request_share_one() -> None:
    call = ToolCall("tool:1", "f")
    step = [AssistantMessage((call,), LOCAL.provider), tool_result(call, "done")]
    body = written(ModelRequest([user("hi"), *step, *step]), LOCAL)
    first, answer, second, again = body["messages"][1:]
    assert first["tool_calls"][0]["id"] == answer["tool_call_id"] == "tool:1"
    assert second["tool_calls"][0]["id"] == again["tool_call_id"] != "tool:1"


def test_names_that_openai_would_not_take_are_changed_alike_everywhere() -> None:
    call = ToolCall("call_1", "files.read file")
    tool = ToolSchema("files.read file", "Reads.", OPEN)
    request = ModelRequest(
        [user("hi"), assistant(tool_calls=[call]), tool_result(call, "x")], (tool,), required_tool=tool.name
    )
    body = typed(request, CHAT)
    (declared,) = body["tools"]
    sent = declared["function"]["name"]
    assert sent.startswith("files_read_file_")
    assert body["messages"][1]["tool_calls"][0]["function"]["name"] == sent
    assert body["tool_choice"] == {"type": "function", "function": {"name": sent}}
    assert typed(request, RESPONSES)["tool_choice"] == {"type": "function", "name": sent}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("choice", ["required", "none"])
def test_tool_choice(endpoint: Endpoint, choice: Any) -> None:
    assert typed(ModelRequest([user("hi")], (WEATHER,), tool_choice=choice), endpoint)["tool_choice"] == choice
    assert "tool_choice" not in typed(ModelRequest([user("hi")], (WEATHER,)), endpoint)
    assert "tool_choice" not in typed(ModelRequest([user("hi")], tool_choice=choice), endpoint)


def test_reasoning_goes_back_encrypted_with_the_items_that_it_led_to() -> None:
    reasoning = Foreign(
        RESPONSES.provider,
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA", "status": None},
    )
    call = ToolCall("call_1", "f", {}, "fc_1")
    said = AssistantMessage((reasoning, Thinking("hm"), Text("Look.", "msg_1 commentary"), call), RESPONSES.provider)
    body = typed(ModelRequest([user("hi"), said, tool_result(call, "x")]), RESPONSES)
    kept, message, called, _ = body["input"][1:]
    assert kept == {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA"}
    assert (message["id"], message["phase"], called["id"]) == ("msg_1", "commentary", "fc_1")
    assert (body["include"], body["store"]) == (["reasoning.encrypted_content"], False)
    elsewhere = typed(ModelRequest([user("hi"), said, tool_result(call, "x")]), CHAT)
    assert elsewhere["messages"][1]["content"] == "Look."
    assert "hm" not in str(elsewhere)


def test_reasoning_that_led_to_nothing_is_left_out() -> None:
    reasoning = Foreign(
        RESPONSES.provider, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA"}
    )
    body = typed(
        ModelRequest([user("hi"), AssistantMessage((reasoning,), RESPONSES.provider), user("go on")]), RESPONSES
    )
    assert [item.get("type", item.get("role")) for item in body["input"]] == ["user", "user"]


def test_reasoning_of_compatible_servers_goes_back_as_their_documentation_asks() -> None:
    call = ToolCall("call_1", "f")
    details = [{"type": "reasoning.encrypted", "data": "x", "index": 0}]

    def sent(endpoint: Endpoint, *parts: Any) -> dict[str, Any]:
        said = AssistantMessage((*parts, call), endpoint.provider)
        return written(ModelRequest([user("hi"), said, tool_result(call, "x")]), endpoint)["messages"][1]

    thought = Thinking("hm", "reasoning_content")
    assert sent(DEEPSEEK, thought)["reasoning_content"] == "hm"
    assert sent(DEEPSEEK)["reasoning_content"] == "", "DeepSeek refuses calls without the field"
    assert sent(LOCAL, Thinking("hm", "reasoning"))["reasoning"] == "hm"
    kept = sent(ROUTER, Thinking("hm", "reasoning"), Foreign(ROUTER.provider, {"reasoning_details": details}))
    assert kept["reasoning_details"] == details
    assert "reasoning" not in kept
    plain = AssistantMessage((thought, Text("yes")), DEEPSEEK.provider)
    body = written(ModelRequest([user("hi"), plain, user("and?")]), DEEPSEEK)
    assert body["messages"][1] == {"role": "assistant", "content": "yes"}
    assert "hm" not in str(written(ModelRequest([user("hi"), plain, user("and?")]), LOCAL))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_a_user_shows(endpoint: Endpoint) -> None:
    shown = UserMessage((Text("Look:"), PNG, Blob("application/pdf", b"%PDF"), Blob("text/csv; charset=utf-8", b"a,b")))
    body = typed(ModelRequest([shown]), endpoint)
    (said,) = body.get("messages") or body["input"]
    kinds = [part["type"] for part in said["content"]]
    assert kinds == (
        ["text", "image_url", "file", "text"]
        if endpoint.api == "chat"
        else ["input_text", "input_image", "input_file", "input_text"]
    )
    assert "data:image/png;base64,iVBORw==" in str(said)


def test_sounds_go_to_chat_completions_only() -> None:
    heard = ModelRequest([UserMessage((Blob("audio/wav", b"RIFF"),))])
    assert typed(heard, CHAT)["messages"][0]["content"][0]["input_audio"] == {"data": "UklGRg==", "format": "wav"}
    with pytest.raises(InvalidConfig, match="audio/wav"):
        written(heard, RESPONSES)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (Blob("image/png", b""), "no bytes"),
        (Blob("image/x-unknown", b"x"), "image/x-unknown"),
        (Blob("video/mp4", b"x"), "video/mp4"),
        (Blob("", b"x"), "without a media type"),
    ],
)
def test_bytes_that_no_such_api_takes_are_refused_by_name(endpoint: Endpoint, blob: Blob, said: str) -> None:
    with pytest.raises(InvalidConfig, match=said):
        written(ModelRequest([UserMessage((Text("Look:"), blob))]), endpoint)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_image_that_a_model_made_is_shown_to_the_next_as_the_user_s(endpoint: Endpoint) -> None:
    painted = AssistantMessage((Text("Here."), PNG, Blob("video/mp4", b"x")), "gemini")
    body = typed(ModelRequest([user("Paint."), painted, user("Bluer.")]), endpoint)
    said = (body.get("messages") or body["input"])[-1]
    assert [part["type"].removeprefix("input_") for part in said["content"]] in (
        ["image_url", "text"],
        ["image", "text"],
    )


def test_settings_are_named_as_the_server_wants_them() -> None:
    def sent(name: str, base_url: str, api: Any = "chat", **fields: Any) -> dict[str, Any]:
        endpoint = endpoint_of(name, base_url, api)
        return typed(ModelRequest([user("hi")], **fields), endpoint, name=name)

    asked: dict[str, Any] = {"max_output_tokens": 9, "temperature": 0.5, "reasoning_effort": "none"}
    own = sent("gpt-4o", BASE_URL, **asked)
    assert (own["max_completion_tokens"], own["temperature"], "reasoning_effort" in own) == (9, 0.5, False)
    thinking = sent("o3", BASE_URL, **asked)
    assert (thinking["reasoning_effort"], "temperature" in thinking) == ("low", False)
    assert sent("gpt-5", BASE_URL, **asked)["reasoning_effort"] == "minimal"
    assert sent("gpt-5.1", BASE_URL, **asked)["reasoning_effort"] == "none"
    local = sent("llama3", "http://localhost/v1", **asked)
    assert (local["max_tokens"], local["temperature"], local["reasoning_effort"]) == (9, 0.5, "none")
    assert "max_completion_tokens" in sent("gpt-5", "https://x.azure.com/openai/v1", **asked)
    response = sent("o3", BASE_URL, "responses", **asked)
    assert (response["max_output_tokens"], response["reasoning"]) == (16, {"effort": "low"})


def test_the_key_of_the_cache_is_that_of_the_conversation_and_goes_to_openai_only() -> None:
    first = [user("hi")]
    longer = [*first, assistant("hello"), user("and?")]
    for endpoint in (CHAT, RESPONSES):
        keys = {typed(ModelRequest(said, instructions="x"), endpoint)["prompt_cache_key"] for said in (first, longer)}
        assert len(keys) == 1
        assert typed(ModelRequest([user("other")], instructions="x"), endpoint)["prompt_cache_key"] not in keys
        assert "prompt_cache_key" not in typed(ModelRequest(first, cache_prompt=False), endpoint)
    assert "prompt_cache_key" not in typed(ModelRequest(first), LOCAL)
    claude = written(ModelRequest(first), ROUTER, name="anthropic/claude-sonnet-4.6")
    assert claude["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in written(ModelRequest(first), ROUTER, name="openai/o3")


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (STRICT, True),
        (OPEN, False),
        ({**STRICT, "required": []}, False),
        ({**STRICT, "properties": {"city": {"type": "string", "default": "Paris"}}}, False),
        ({**STRICT, "properties": {"city": {"type": "string", "format": "uri"}}}, False),
        ({**STRICT, "properties": {"city": {"type": "array", "items": OPEN}}}, False),
        ({**STRICT, "properties": {"city": {"anyOf": [{"type": "null"}, STRICT]}}}, True),
        ({**STRICT, "properties": {"city": {"$ref": "#/$defs/c"}}, "$defs": {"c": {"type": "string"}}}, True),
    ],
)
def test_an_answer_is_held_to_its_schema_where_that_allows_it(schema: dict[str, Any], strict: bool) -> None:
    request = ModelRequest([user("hi")], output_schema=schema)
    assert typed(request, CHAT)["response_format"]["json_schema"] == {
        "name": "answer",
        "schema": schema,
        "strict": strict,
    }
    assert typed(request, RESPONSES)["text"]["format"]["strict"] is strict


def test_arguments_that_were_no_json_go_back_to_openai_as_they_were_and_to_others_as_json() -> None:
    call = ToolCall("call_1", "f", {}, None, '{"a": ')
    history = ModelRequest([user("hi"), assistant(tool_calls=[call]), tool_result(call, "no JSON")])
    sent = [written(history, each)["messages"][1]["tool_calls"][0]["function"]["arguments"] for each in (CHAT, LOCAL)]
    assert sent == ['{"a": ', '{"unreadable":"{\\"a\\": "}']


def test_neighbours_of_one_role_are_one_message() -> None:
    call = ToolCall("call_1", "f")
    history = [
        user("a"),
        user("b"),
        assistant("c"),
        assistant("d", tool_calls=[call]),
        tool_result(call, "x"),
        assistant(""),
    ]
    messages = typed(ModelRequest(history), CHAT)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert (messages[0]["content"], messages[1]["content"]) == ("a\n\nb", "c\n\nd")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_has_no_json_form_is_one_clear_error(endpoint: Endpoint) -> None:
    call = ToolCall("call_1", "f", {"a": object()})
    with pytest.raises(InvalidConfig) as caught:
        written(ModelRequest([user("hi"), assistant(tool_calls=[call]), tool_result(call, "x")]), endpoint)
    assert caught.value.code == "unencodable_request"
    with pytest.raises(InvalidConfig):
        written(ModelRequest([user("hi")], (ToolSchema("f", "", {"type": object()}),)), endpoint)


@pytest.mark.parametrize(
    ("name", "base_url", "api", "address"),
    [
        ("gpt-4o", BASE_URL, "chat", "https://api.openai.com/v1/chat/completions"),
        ("gpt-4o", BASE_URL, "responses", "https://api.openai.com/v1/responses"),
        ("o1-pro", BASE_URL, "chat", "https://api.openai.com/v1/responses"),
        ("gpt-5-pro-2025-10-06", BASE_URL, "chat", "https://api.openai.com/v1/responses"),
        ("gpt-5.1-codex", "https://eu.api.openai.com/v1/", "chat", "https://eu.api.openai.com/v1/responses"),
        ("o4-mini-deep-research", BASE_URL, "chat", "https://api.openai.com/v1/responses"),
        ("gpt-5.6-sol", BASE_URL, "chat", "https://api.openai.com/v1/responses"),
        ("gpt-5-mini", BASE_URL, "chat", "https://api.openai.com/v1/chat/completions"),
        ("o1-pro", "https://openrouter.ai/api/v1", "chat", "https://openrouter.ai/api/v1/chat/completions"),
        ("m", "http://localhost:8000/v1", "chat", "http://localhost:8000/v1/chat/completions"),
        ("m", "https://a.b/x/responses", "chat", "https://a.b/x/responses"),
        ("m", "https://a.b/x/chat/completions/?v=1", "responses", "https://a.b/x/chat/completions?v=1"),
        ("m", "https://a.b/openai?api-version=1", "chat", "https://a.b/openai/chat/completions?api-version=1"),
    ],
)
def test_where_requests_go(name: str, base_url: str, api: Any, address: str) -> None:
    assert endpoint_of(name, base_url, api).address == address
    assert endpoint_of(name, base_url, api).api == ("chat" if "/chat/" in address else "responses")


@pytest.mark.parametrize("base_url", ["ftp://a.b", "api.openai.com/v1", "https://", "http://[x"])
def test_what_is_no_address(base_url: str) -> None:
    with pytest.raises(InvalidConfig):
        endpoint_of("m", base_url, "chat")


@pytest.mark.parametrize(
    ("name", "least", "low"),
    [
        ("gpt-5-pro", "high", "high"),
        ("gpt-5-codex", "low", "low"),
        ("gpt-5.1-codex-max", "low", "low"),
        ("codex-mini-latest", "low", "low"),
        ("o3-mini", "low", "low"),
        ("gpt-5-mini", "minimal", "low"),
        ("gpt-5.1", "none", "low"),
    ],
)
def test_efforts_are_told_in_words_that_the_model_knows(name: str, least: str, low: str) -> None:
    assert effort_of(name, "none", own=True) == least
    assert effort_of(name, "low", own=True) == low
    assert effort_of(name, "high", own=True) == "high"
    assert effort_of(name, "none", own=False) == "none"


def test_encrypted_reasoning_goes_back_to_the_model_that_wrote_it() -> None:
    answer = ResponsesAnswer("o3", RESPONSES.provider, {})
    answer.whole(encode(response(item_reasoning("thought"), item("Hi."))))
    history = [user("x"), answer.response().message, user("y")]

    def sent(name: str) -> list[Any]:
        return written(ModelRequest(history), RESPONSES, name=name)["input"]

    assert [one.get("type") for one in sent("o3")] == [None, "reasoning", "message", None]
    assert sent("gpt-5-mini")[1] == {"role": "assistant", "content": "Hi."}
    assert [one.get("type") for one in sent("gpt-5-mini")] == [None, None, None]
