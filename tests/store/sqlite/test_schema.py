import asyncio
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from emonk.errors import InvalidConfig
from emonk.events import encode
from emonk.store.connect import connect
from emonk.store.owners import enlist
from emonk.store.sqlite.file import open_writer, refuse_foreign
from emonk.store.sqlite.schema import MIGRATIONS, migrate
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, finish, message, note

ONE_MORE = (*MIGRATIONS, ("ALTER TABLE sessions ADD COLUMN colour TEXT", "CREATE TABLE extra (n INTEGER)"))
BROKEN = (*MIGRATIONS, ("CREATE TABLE extra (n INTEGER)", "ALTER TABLE missing ADD COLUMN n INTEGER"))


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    names = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    connection.close()
    return names


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    number = int(connection.execute("PRAGMA user_version").fetchone()[0])
    connection.close()
    return number


def test_new_file_gets_the_current_schema(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_writer(path).close()
    assert {name for name in tables(path) if not name.startswith("memory_words")} == {
        "sessions",
        "participants",
        "metadata",
        "events",
        "inbox",
        "records",
        "usage",
        "memories",
    }
    assert version(path) == len(MIGRATIONS)


def test_earlier_file_is_brought_up_once_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = open_writer(path)
    connection.execute("INSERT INTO sessions (agent, session_id, created_at, last_active) VALUES ('a', 's', 1, 2)")
    for _ in range(2):
        migrate(connection, path, migrations=ONE_MORE)
        assert connection.execute("SELECT session_id, colour FROM sessions").fetchall() == [("s", None)]
    connection.close()
    assert version(path) == len(ONE_MORE)


def test_failing_migration_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = open_writer(path)
    with pytest.raises(sqlite3.OperationalError, match="missing"):
        migrate(connection, path, migrations=BROKEN)
    connection.close()
    assert "extra" not in tables(path)
    assert version(path) == len(MIGRATIONS)


def test_file_of_a_newer_emonk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = open_writer(path)
    migrate(connection, path, migrations=ONE_MORE)
    connection.close()
    with pytest.raises(InvalidConfig, match="newer emonk") as caught:
        open_writer(path)
    assert str(path) in caught.value.message
    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize("statement", ["CREATE TABLE theirs (n INTEGER)", "PRAGMA application_id = 42"])
def test_database_of_another_program_is_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "theirs.db"
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()
    before = tables(path)
    with pytest.raises(InvalidConfig, match="another program"):
        open_writer(path)
    assert tables(path) == before


def test_schema_that_another_process_makes_meanwhile_is_not_foreign(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path, isolation_level=None)

    def make_it(statement: str) -> None:
        if statement.startswith("SELECT count"):
            with suppress(sqlite3.OperationalError):  # it may have to wait
                open_writer(path, busy_seconds=0).close()

    connection.set_trace_callback(make_it)
    refuse_foreign(connection, path)
    connection.close()


def test_the_participants_of_the_first_schema_are_found_by_session_and_by_user(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, migrations=MIGRATIONS[:1])
    connection.execute("INSERT INTO sessions (agent, session_id, created_at, last_active) VALUES ('a', 's', 1, 2)")
    connection.executemany("INSERT INTO participants (session, user_id) VALUES (1, ?)", [("ann",), ("bob",)])
    connection.close()
    connection = open_writer(path)
    assert connection.execute("SELECT participants FROM sessions").fetchone() == ('["ann","bob"]',)
    found = connection.execute("SELECT session FROM participants WHERE user_id = 'bob'").fetchall()
    connection.close()
    assert found == [(1,)]


def test_the_second_schema_is_opened_with_its_sessions_and_takes_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, migrations=MIGRATIONS[:2])
    connection.execute(
        """INSERT INTO sessions (agent, session_id, created_at, last_active, revision, message_count, fence,
            participants) VALUES ('clerk', 's1', 1, 2, 1, 1, 7, '["ada"]')"""
    )
    connection.execute("INSERT INTO participants VALUES ('ada', 1)")
    event = encode(message("hello").event)
    connection.execute("INSERT INTO events VALUES ((1 << 32) | 1, 2, ?)", (event,))
    connection.execute(
        "INSERT INTO inbox (session, message_id, user_id, accepted_at, revision) VALUES (1, 'hello', 'ada', 2, 1)"
    )
    connection.close()

    async def main() -> None:
        store = await connect(f"sqlite:///{path}")
        (info,) = await store.sessions(user_id="ada")
        assert (info.revision, info.token_count, info.metadata) == (1, 0, {})
        claimed = await store.claim(SESSION, enlist())
        assert claimed is not None
        assert (claimed.resumed, claimed.lease.fence, claimed.item.event) == (True, 8, message("hello").event)
        await finish(store, claimed, note("a"))
        assert await store.describe(SESSION, metadata={"a": 1}) is not None
        assert await store.delete(SESSION)
        anew = await accept_and_claim(store, message("hello"), enlist())
        assert anew.lease.fence > 8
        await store.aclose()

    asyncio.run(main())
