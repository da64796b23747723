"""What a query looks at does not grow with what it is not about; counted in instructions of SQLite's machine."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from emonk.clock import SYSTEM_CLOCK
from emonk.ids import time_of, uuid7
from emonk.records import UsageRow
from emonk.store.sqlite import inbox, listing, records, usage
from emonk.store.sqlite.database import SqliteFile
from emonk.store.sqlite.file import open_writer
from emonk.store.sqlite.listing import Wanted
from emonk.store.usage_protocol import UsageFilter


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    return open_writer(tmp_path / "store.db")


def instructions(connection: sqlite3.Connection, work: Callable[[], object]) -> int:
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    work()  # the first time, it is compiled
    connection.set_progress_handler(step, 1)
    work()
    connection.set_progress_handler(None, 1)
    return count


def add_sessions(connection: sqlite3.Connection, first: int, count: int) -> None:
    numbers = [(number,) for number in range(first, first + count)]
    connection.executemany(
        "INSERT INTO sessions (number, agent, session_id, created_at, last_active) VALUES (?1, 'a', 's' || ?1, 1, 1)",
        numbers,
    )
    connection.executemany(
        """INSERT INTO inbox (session, message_id, user_id, accepted_at, revision, reply)
            VALUES (?, 'm', 'u', 1, 1, x'00')""",
        numbers,
    )


def test_what_is_due_is_found_without_a_look_at_sessions_in_which_nothing_waits(
    connection: sqlite3.Connection,
) -> None:
    add_sessions(connection, 1, 10)
    connection.execute(
        "INSERT INTO inbox (session, message_id, user_id, accepted_at, event) VALUES (5, 'm2', 'u', 1, x'00')"
    )
    few = instructions(connection, lambda: inbox.due(connection, "a", 16, 2))
    add_sessions(connection, 100, 1000)
    assert [one.session_id for one in inbox.due(connection, "a", 16, 2)] == ["s5"]
    assert instructions(connection, lambda: inbox.due(connection, "a", 16, 2)) <= few + 10


@pytest.mark.parametrize("after", ["", "a", "p/5"])
def test_records_of_a_prefix_are_found_without_a_look_at_those_before_it(
    connection: sqlite3.Connection, after: str
) -> None:
    def add(start: str, count: int) -> None:
        connection.executemany(
            "INSERT INTO records (namespace, key, version, updated_at, state, data) VALUES ('n', ?, 1, 1, '', x'')",
            [(f"{start}/{number}",) for number in range(count)],
        )

    def listed() -> list[str]:
        return [one.key for one in records.listed(connection, records.Wanted("n", "p/", None, None, after, 100))]

    add("p", 10)
    few = instructions(connection, listed)
    add("b", 1000)
    assert listed() == [f"p/{number}" for number in range(10) if f"p/{number}" > after]
    assert instructions(connection, listed) <= few + 10


def test_a_page_of_a_user_with_very_many_sessions_looks_at_no_more_of_them_than_of_one_with_many(
    connection: sqlite3.Connection,
) -> None:
    def add(first: int, count: int) -> None:
        numbers = [(number,) for number in range(first, first + count)]
        connection.executemany(
            """INSERT INTO sessions (number, agent, session_id, created_at, last_active, participants)
                VALUES (?1, 'a', 's' || ?1, 1, ?1, '["u"]')""",
            numbers,
        )
        connection.executemany("INSERT INTO participants VALUES ('u', ?)", numbers)

    def page() -> list[str]:
        return [one.session_id for one in listing.sessions(connection, Wanted("a", "u", None), 3, None)]

    add(1, 1500)
    many = instructions(connection, page)
    add(2000, 1500)
    assert page() == ["s3499", "s3498", "s3497"]
    assert instructions(connection, page) <= many + 10


def bill(connection: sqlite3.Connection, session_id: str, started_at: int, row_id: str) -> None:
    row = UsageRow(
        row_id=row_id,
        agent="a",
        session_id=session_id,
        user_id="u",
        trace_id="t",
        purpose="turn",
        provider="gemini",
        model="g",
        state="started",
        started_at=started_at,
    )
    usage.bill(connection, [row])


def test_the_costs_of_a_session_are_found_without_a_look_at_others(connection: sqlite3.Connection) -> None:
    def sums() -> int:
        return usage.totals(connection, UsageFilter(session_id="s5"), ())[0].calls

    for number in range(10):
        bill(connection, f"s{number}", number, f"r{number}")
    usage.index_sessions(connection)
    usage.index_sessions(connection)
    few = instructions(connection, sums)
    for number in range(1000):
        bill(connection, f"other{number}", number, f"o{number}")
    assert sums() == 1
    assert instructions(connection, sums) <= few + 10


def test_the_next_page_of_the_bill_is_found_by_the_time_that_a_rows_id_tells(connection: sqlite3.Connection) -> None:
    row_id = uuid7()
    at = time_of(row_id)
    assert at is not None

    def page() -> list[str]:
        return [row.row_id for row in usage.rows(connection, UsageFilter(), 3, row_id)]

    bill(connection, "s", at + 700, row_id)
    for number in range(10):
        bill(connection, "s", at - 3_600_000_000 - number, f"r{number}")
    few = instructions(connection, page)
    for number in range(1000):
        bill(connection, "s", at - 7_200_000_000 - number, f"o{number}")
    assert page() == ["r0", "r1", "r2"]
    assert instructions(connection, page) <= few + 10


@pytest.mark.parametrize("row_id", ["of-no-time", "01a2197c-8e40-70fa-9a83-a265ef2589d8"])
def test_the_next_page_is_found_where_a_rows_id_tells_no_time_or_another(
    connection: sqlite3.Connection, row_id: str
) -> None:
    bill(connection, "s", 5, row_id)
    bill(connection, "s", 4, "r4")
    assert [row.row_id for row in usage.rows(connection, UsageFilter(), 3, row_id)] == ["r4"]
    assert usage.rows(connection, UsageFilter(), 3, "never written") == []


def test_where_no_index_can_be_made_now_it_is_made_another_time(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    def indexes() -> list[str]:
        names = sqlite3.connect(path).execute("SELECT name FROM sqlite_schema WHERE type = 'index'")
        return [name for (name,) in names if name == "usage_by_session"]

    async def main() -> None:
        file = SqliteFile(path, SYSTEM_CLOCK, busy_seconds=0.01)
        await file.ready()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await file.once(usage.index_sessions)
        assert indexes() == []
        other.execute("ROLLBACK")
        for _ in range(2):
            await file.once(usage.index_sessions)
            assert indexes() == ["usage_by_session"]
        other.close()
        await file.aclose()

    asyncio.run(main())
