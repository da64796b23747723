"""Identifiers: well formed, different, and in the order of their making."""

import os
import uuid

import pytest

from emonk.clock import timestamp
from emonk.ids import time_of, trace_id, uuid7


def test_a_uuid7_is_one_by_its_version_and_variant() -> None:
    for _ in range(1000):
        made = uuid.UUID(uuid7())
        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_identifiers_differ_and_sort_by_time() -> None:
    made = [uuid7() for _ in range(5000)]
    assert len(set(made)) == 5000
    assert [one[:13] for one in made] == sorted(one[:13] for one in made)


def test_a_trace_id_is_32_hex_digits_and_never_zero() -> None:
    made = {trace_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(one) == 32 and int(one, 16) for one in made)


def test_a_forked_child_makes_identifiers_of_its_own() -> None:
    uuid7()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(uuid7() for _ in range(20)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    assert len(theirs) == 20 * 36
    assert not [one for one in (uuid7() for _ in range(20)) if one[14:] in theirs]


def test_an_identifier_tells_the_millisecond_of_its_making() -> None:
    before = timestamp() // 1000 * 1000
    told = time_of(uuid7())
    assert told is not None
    assert before <= told <= timestamp()


@pytest.mark.parametrize("other", ["", "r1", "01a2197c-8e40-40fa-9a83-a265ef2589d8", "zzzzzzzz-zzzz-7", "é" * 36])
def test_what_is_no_such_identifier_tells_no_time(other: str) -> None:
    assert time_of(other) is None
