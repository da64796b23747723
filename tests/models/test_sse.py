"""Event streams: the same events whatever the line ends are and wherever the stream is cut."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.models.sse import EventParser, ServerSentEvent

WIRE = (
    b'\xef\xbb\xbfdata: {"text": "gr\xc3\xbc\xc3\x9f \xf0\x9f\x91\x8b"}\r\n\r\n'
    b": a comment\r\nretry: 5\r\n\r\n"
    b"event: note\r\nid: 7\r\ndata:first\r\ndata: second\r\ndata:\r\ndata:  third\r\n\r\n"
    b"data\r\n\r\n"
    b"event: nothing\r\n\r\n"
    b"data: cut off"
)
EVENTS = [
    ServerSentEvent('{"text": "grüß 👋"}'.encode()),
    ServerSentEvent(b"first\nsecond\n\n third", "note"),
    ServerSentEvent(b""),
]


def parse(*chunks: bytes) -> list[ServerSentEvent]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_every_line_end_and_every_size_of_chunk_gives_the_same_events(line_end: bytes, size: int) -> None:
    wire = WIRE.replace(b"\r\n", line_end)
    assert parse(*(wire[at : at + size] for at in range(0, len(wire), size))) == EVENTS


@pytest.mark.parametrize("at", range(len(WIRE)))
def test_every_single_cut_gives_the_same_events(at: int) -> None:
    assert parse(WIRE[:at], WIRE[at:]) == EVENTS


def test_an_event_is_given_as_soon_as_its_line_ends() -> None:
    parser = EventParser()
    assert parser.feed(b"data: a\r\n\r") == [ServerSentEvent(b"a")]
    assert parser.feed(b"") == []
    assert parser.feed(b"\ndata: b\n\n") == [ServerSentEvent(b"b")]


def test_an_empty_chunk_between_cr_and_lf_does_not_make_a_line() -> None:
    assert parse(b"data: a\r", b"", b"\ndata: b\r", b"\n\r", b"\n") == [ServerSentEvent(b"a\nb")]


def test_a_long_event_in_single_bytes_is_not_searched_again_and_again() -> None:
    text = b"x" * 200_000
    assert parse(*(bytes([byte]) for byte in b"data: " + text + b"\n\n")) == [ServerSentEvent(text)]


LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))


@settings(deadline=None)
@given(
    st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=4),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_what_is_written_is_read(events: list[list[str]], line_end: str, cuts: list[int]) -> None:
    lines = ["".join(f"data: {line}{line_end}" for line in event) + line_end for event in events]
    wire = "".join(lines).encode()
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    chunks = [wire[start:end] for start, end in itertools.pairwise(edges)]
    assert [event.data.decode() for event in parse(*chunks)] == ["\n".join(event) for event in events]


@settings(deadline=None)
@given(st.binary(), st.integers(1, 7))
def test_any_bytes_are_survived_and_cutting_changes_nothing(wire: bytes, size: int) -> None:
    assert parse(*(wire[at : at + size] for at in range(0, len(wire), size))) == parse(wire)
