import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.errors import InvalidConfig
from emonk.routing import outcomes
from emonk.routing.outcomes import Outcome, encode_outcomes, parse_outcomes, read_outcomes

GOOD = b'{"prompt": "one", "worker_correct": true, "lead_correct": false, "worker_response": "x"}\n'


def test_what_was_written_is_read() -> None:
    rows = (Outcome("one\n\u2028two", True), Outcome("two", False, False))
    assert parse_outcomes(encode_outcomes(rows).splitlines()).rows == rows


def test_a_byte_order_mark_before_the_first_line_is_none_of_it() -> None:
    mark = "\ufeff".encode()
    assert parse_outcomes([mark + GOOD, GOOD]).rows == parse_outcomes([GOOD, GOOD]).rows
    assert [line.number for line in parse_outcomes([GOOD, mark + GOOD]).broken] == [2]


@given(st.binary(max_size=60))
def test_whatever_stands_in_a_line_the_others_are_read(line: bytes) -> None:
    found = parse_outcomes([GOOD, line, GOOD])
    assert found.rows[0] == found.rows[-1] == Outcome("one", True, False)
    assert len(found.rows) + len(found.broken) <= 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "truncated"),
        (b"[1]", "Expected `object`"),
        (b'{"prompt": "one"}', "missing required field `worker_correct`"),
        (b'{"prompt": 1, "worker_correct": true}', "Expected `str`"),
        (b'{"prompt": "one", "worker_correct": 1}', "Expected `bool`"),
        (b'{"prompt": "one", "worker_correct": true, "lead_correct": "yes"}', "Expected `bool"),
        (b'{"prompt": " ", "worker_correct": true}', "the prompt is empty"),
        (b'{"prompt": "\xff", "worker_correct": true}', "utf-8"),
        (b'{"prompt": "\\ud800", "worker_correct": true}', "surrogate"),
        (b"[" * 100_000, "Expected `object`"),
    ],
)
def test_a_broken_line_is_named_with_its_reason(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD + b"\n" + line + b"\n" + GOOD)
    with pytest.raises(InvalidConfig, match=f"(?i)line 3: .*{reason}.*; 1 of 3 lines are broken"):
        read_outcomes(path)
    found = read_outcomes(path, skip_broken=True)
    assert (len(found.rows), [one.number for one in found.broken]) == (2, [3])


def test_a_file_without_rows_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n\n")
    with pytest.raises(InvalidConfig, match="has no rows"):
        read_outcomes(tmp_path / "rows.jsonl")
    with pytest.raises(InvalidConfig, match="cannot be read"):
        read_outcomes(tmp_path / "none.jsonl")


def test_what_is_no_file_may_never_end_and_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(InvalidConfig, match="is no file"):
            read_outcomes(path)


@pytest.mark.parametrize("length", [99, 100, 101, 199, 200, 201, 350])
def test_a_line_that_is_too_long_is_one_broken_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(outcomes, "LONGEST_LINE", 100)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD + b"x" * length + b"\n" + GOOD + b"y" * length)
    found = read_outcomes(path, skip_broken=True)
    assert (len(found.rows), [one.number for one in found.broken]) == (2, [2, 4])


def test_where_nothing_is_known_of_the_lead_it_is_trusted() -> None:
    assert [Outcome("p", False, lead).needs_lead for lead in (None, True, False)] == [True, True, False]
    assert not Outcome("p", True).needs_lead
