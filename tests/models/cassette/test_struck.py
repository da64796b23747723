"""Bodies without secrets stay bodies of their form."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.models.cassette.cassette import Cassette
from emonk.models.cassette.recording import answer_fields
from emonk.models.cassette.struck import strike, strike_stream, written_forms
from emonk.models.sse import EventParser
from emonk.observe.redaction import Redactor

SECRET = 'pa"ss\\wörd 123'
REDACT = Redactor(written_forms([SECRET, "c2VjcmV0LXZhbHVl==", "4929123412341234"]))


def stream_of(*events: Any) -> str:
    return "".join(f"event: x\ndata: {json.dumps(event)}\n\n" for event in events)


def events_of(text: str) -> list[Any]:
    return [json.loads(event.data) for event in EventParser().feed(text.encode()) if event.data != b"[DONE]"]


def test_what_json_escapes_is_struck() -> None:
    fields = answer_fields([b'{"text": "it is c2VjcmV0LXZhbHVl\\u003d\\u003d", "n": 1}'], REDACT)
    assert fields == {"body": {"text": "it is ***", "n": 1}}
    body = {SECRET: [f"my password is {SECRET} ok", 4929123412341234, 4929123412341235, None, True]}
    assert strike(body, REDACT) == {"***": ["my password is *** ok", "***", 4929123412341235, None, True]}


def test_json_in_a_text_stays_json() -> None:
    arguments = json.dumps({"url": "https://x.io/a?token=abc", "n": 1, "pass": SECRET})
    struck = strike({"arguments": arguments}, REDACT)
    assert json.loads(struck["arguments"]) == {"url": "https://x.io/a?token=***", "n": 1, "pass": "***"}
    untouched = '{ "a" : [1, "?x=abc"] }'
    assert strike(untouched, REDACT) == untouched
    assert strike(f'{{"a": {json.dumps(SECRET)}, "a": 1}}', REDACT) == '{"a":1}'


def test_a_request_is_struck_alike_whenever_it_is_asked(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path, record=True, secrets=[SECRET])
    request, said = cassette.request("p", "/x", json.dumps({"text": f"so {SECRET}?"}).encode())
    assert said == {"text": "so ***?"}
    assert request == cassette.request("p", "/x", b'{"text": "so ***?"}')[0]
    assert cassette.request("p", "/x", b'no json: pa\\"ss\\\\w\\u00f6rd 123')[1] == "no json: ***"


@pytest.mark.parametrize("cut", range(1, len(SECRET)))
def test_a_secret_that_two_events_share_is_struck(cut: int) -> None:
    said = [f"it is {SECRET[:cut]}", f"{SECRET[cut:]}, he said"]
    found = events_of(strike_stream(stream_of(*({"choices": [{"delta": {"content": one}}]} for one in said)), REDACT))
    assert [event["choices"][0]["delta"]["content"] for event in found] == ["it is ***", ", he said"]


def test_pieces_of_arguments_are_struck_together_and_stay_json() -> None:
    arguments = json.dumps({"url": 'https://x.io/a?token=abc"d', "pass": SECRET})
    events = [{"index": 0, "delta": {"partial_json": one}} for one in arguments]
    others = [{"index": 1, "delta": {"partial_json": one}} for one in '{"a": 1}']
    mixed = [event for pair in zip(events, others, strict=False) for event in pair]
    found = events_of(strike_stream(stream_of(*mixed, *events[len(others) :]), REDACT))

    def joined(index: int) -> Any:
        return json.loads("".join(event["delta"]["partial_json"] for event in found if event["index"] == index))

    assert joined(0) == {"url": 'https://x.io/a?token=***"d', "pass": "***"}
    assert joined(1) == {"a": 1}


def test_lines_without_secrets_stay_as_they_are() -> None:
    text = ': hi\r\ndata:{ "a" : "?token=" }\rdata: [DONE]\n\ndata: {oops c2VjcmV0LXZhbHVl== }\n\n'
    assert strike_stream(text, REDACT) == text.replace("c2VjcmV0LXZhbHVl==", "***")


def test_what_is_no_text_is_struck_too() -> None:
    fields = answer_fields([b"\xff c2VjcmV0", b"LXZhbHVl== \xfe"], REDACT)
    assert fields == {"encoded": ["/yAqKiog/g=="]}


def test_what_is_nested_too_deep_to_be_read_is_struck_as_text() -> None:
    deep = '{"a":' * 900 + '"c2VjcmV0LXZhbHVl=="' + "}" * 900
    for text in (deep, f"data: {deep}\n\n"):
        (struck,) = answer_fields([text.encode()], REDACT).values()
        assert "".join(struck).count("***") == 1
        assert "c2VjcmV0LXZhbHVl" not in "".join(struck)


@given(
    st.lists(st.text(st.sampled_from("ab\\\"{}?&=*' ")) | st.just(SECRET) | st.just("?token="), max_size=8),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_whatever_is_said_in_pieces_is_left_without_secrets(said: list[str], cuts: list[int]) -> None:
    text = "".join(said)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(places)]
    found = events_of(strike_stream(stream_of(*({"delta": piece} for piece in pieces)), REDACT))
    assert len(found) == len(pieces)
    left = "".join(event["delta"] for event in found)
    assert SECRET not in left
    if SECRET not in text and "token=" not in text:
        assert left == text
