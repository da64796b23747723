"""What is kept of logs in memory."""

from hypothesis import given
from hypothesis import strategies as st

from emonk.store.change import Row
from emonk.store.firestore.logs import Logs


def rows(first: int, last: int) -> list[Row]:
    return [(revision, revision, b"12345") for revision in range(first, last + 1)]


@given(first=st.integers(1, 5), count=st.integers(0, 5), after=st.integers(0, 12))
def test_what_is_known_begins_right_after_the_revision_or_not_at_all(first: int, count: int, after: int) -> None:
    logs = Logs()
    logs.keep("log", rows(first, first + count - 1))
    known = logs.after("log", after)
    assert known in ([], rows(after + 1, first + count - 1))
    assert bool(known) == (first <= after + 1 < first + count)


def test_those_used_longest_ago_make_room() -> None:
    logs = Logs(limit=30)
    for name in ("a", "b", "a", "c"):
        logs.keep(name, rows(1, 2))
        logs.keep("other", rows(1, 2))
    logs.keep("large", rows(1, 3))
    assert [name for name in ("a", "b", "c", "other", "large") if logs.after(name, 0)] == ["other", "large"]
    logs.keep("too large", rows(1, 7))
    assert not any(logs.after(name, 0) for name in ("other", "large", "too large"))


def test_what_is_kept_is_not_changed_by_who_uses_it() -> None:
    logs = Logs()
    mine = rows(1, 2)
    logs.keep("log", mine)
    mine.clear()
    logs.after("log", 0).clear()
    assert logs.after("log", 0) == rows(1, 2)
