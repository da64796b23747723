import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from emonk.clock import SYSTEM_CLOCK
from emonk.errors import EmonkError, InvalidConfig, StaleSession, Unavailable
from emonk.events import Event, decode
from emonk.store import change
from emonk.store.connect import connect
from emonk.store.owners import enlist
from emonk.store.protocol import Append
from emonk.store.sqlite.database import SqliteFile
from emonk.store.sqlite.file import open_reader, open_writer
from emonk.store.sqlite.store import SqliteStore
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, finish, message, note

NOBODY = 65534


def open_store(path: Path) -> None:
    async def main() -> None:
        await (await connect(f"sqlite:///{path}")).aclose()

    asyncio.run(main())


def filled(path: Path) -> Path:
    async def main() -> None:
        store = await connect(f"sqlite:///{path}")
        claimed = await accept_and_claim(store, message("hello"), enlist())
        await store.commit([Append((note("x" * 1000),) * 200)], fence=claimed.lease, expected_revision=1)
        await store.aclose()

    asyncio.run(main())
    return path


def with_store(path: Path, use: Callable[[SqliteFile, SqliteStore], Awaitable[None]]) -> None:
    """A store that gives up waiting for a lock at once."""

    async def main() -> None:
        file = SqliteFile(path, SYSTEM_CLOCK, busy_seconds=0.05)
        store = SqliteStore(file, lambda: True)
        try:
            await use(file, store)
        finally:
            await store.aclose()

    asyncio.run(main())


def one_line(error: EmonkError, path: Path) -> None:
    assert "\n" not in str(error)
    assert str(path) in error.message


def test_acknowledged_means_flushed(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "store.db")
    settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    connection.close()
    assert settings == ["wal", 2]


def test_reader_cannot_write(tmp_path: Path) -> None:
    open_writer(tmp_path / "store.db").close()
    reader = open_reader(tmp_path / "store.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM sessions")
    reader.close()


@pytest.mark.parametrize("content", [b"no database at all\n" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(InvalidConfig, match="no SQLite database") as caught:
        open_store(path)
    one_line(caught.value, path)
    assert path.read_bytes() == content


def test_damaged_database_is_reported_when_it_is_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    content = bytearray(path.read_bytes())
    content[4096 * 12 :] = b"\xff" * (len(content) - 4096 * 12)
    path.write_bytes(content)

    async def use(_file: SqliteFile, store: SqliteStore) -> None:
        with pytest.raises(InvalidConfig, match="damaged") as caught:
            await store.read(SESSION)
        one_line(caught.value, path)

    with_store(path, use)


def test_event_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")

    async def use(file: SqliteFile, store: SqliteStore) -> None:
        await file.write(lambda connection: connection.execute("UPDATE events SET data = x'7b'").rowcount)
        with pytest.raises(InvalidConfig, match="Event 1 of session"):
            await store.read(SESSION)

    with_store(path, use)


def test_directory_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(InvalidConfig, match="cannot be opened"):
        open_store(tmp_path / "store.db")


def test_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "store.db", tmp_path / "file" / "deep" / "store.db"):
        with pytest.raises(InvalidConfig, match="cannot be opened"):
            open_store(path)


OPEN = """
import asyncio, os, sys
from emonk.errors import EmonkError
from emonk.store.connect import connect
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
async def main():
    try:
        await (await connect(sys.argv[1])).aclose()
    except EmonkError as error:
        print(type(error).__name__, error)
asyncio.run(main())
"""


def open_as_nobody(path: Path) -> str:
    """What a process says that may not write; Python's own files must be imported before it gives up its rights."""
    preload = "import sqlite3, emonk.store.sqlite.store, encodings.idna, concurrent.futures.thread\n"
    command = [sys.executable, "-c", preload + OPEN, f"sqlite:///{path}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def open_directory(tmp_path: Path) -> Path:
    """A directory that everybody may enter, in which nobody but its owner may write."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.getuid() and directory.name:
            directory.chmod(directory.stat().st_mode | 0o055)
    return tmp_path


def test_file_that_may_only_be_read_is_refused(open_directory: Path) -> None:
    path = filled(open_directory / "store.db")
    path.chmod(0o444)
    open_directory.chmod(0o777)
    said = open_as_nobody(path)
    assert said.startswith(f"InvalidConfig {path} cannot be opened for writing")
    assert said.count("\n") == 1


def test_directory_that_may_only_be_read_is_refused(open_directory: Path) -> None:
    path = filled(open_directory / "store.db")
    path.chmod(0o666)
    open_directory.chmod(0o555)
    for name in (path, open_directory / "new.db", open_directory / "new" / "store.db"):
        said = open_as_nobody(name)
        assert said.startswith(f"InvalidConfig {name} cannot be opened for writing")
        assert said.count("\n") == 1


def test_lock_held_by_another_is_waited_for_only_so_long(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    other = sqlite3.connect(path, isolation_level=None)

    async def use(_file: SqliteFile, store: SqliteStore) -> None:
        await store.accept(message("before"))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked by another process") as caught:
            await store.accept(message("lost"))
        one_line(caught.value, path)
        assert (await store.read(SESSION, limit=1))[0].revision == 1
        other.execute("ROLLBACK")
        assert (await store.accept(message("lost"))).state == "new"

    with_store(path, use)
    other.close()


def test_database_locked_while_it_is_opened_is_unavailable(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def use(file: SqliteFile, _store: SqliteStore) -> None:
        with pytest.raises(Unavailable, match="locked by another process"):
            await file.ready()

    with_store(path, use)
    other.close()


def limit_pages(file: SqliteFile, pages: int) -> "asyncio.Future[int]":
    return file.write(lambda connection: int(connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()[0]))


def test_full_disk_loses_nothing_acknowledged_and_is_over_when_there_is_space(tmp_path: Path) -> None:
    async def use(file: SqliteFile, store: SqliteStore) -> None:
        claimed = await accept_and_claim(store, message("hello"), enlist())
        write, revision = (Append((note("x" * 3000),)),), claimed.revision

        async def append_for_ever() -> None:
            nonlocal revision
            while True:
                revision = await store.commit(write, fence=claimed.lease, expected_revision=revision)

        await limit_pages(file, 160)
        with pytest.raises(Unavailable, match="cannot grow") as caught:
            await append_for_ever()
        assert caught.value.code == "disk_full"
        assert revision > 10
        assert len(await store.read(SESSION)) == revision
        await limit_pages(file, 4000)
        assert await store.commit(write, fence=claimed.lease, expected_revision=revision) == revision + 1

    with_store(tmp_path / "store.db", use)


def test_small_writes_of_a_group_survive_a_large_one_that_does_not_fit(tmp_path: Path) -> None:
    async def use(file: SqliteFile, store: SqliteStore) -> None:
        claimed = await accept_and_claim(store, message("hello"), enlist())
        await limit_pages(file, 160)
        large = store.commit([Append((note("x" * 300_000),))], fence=claimed.lease, expected_revision=1)
        small = [store.accept(message(f"m{number}")) for number in range(5)]
        accepted = await asyncio.gather(*small)
        assert [answer.state for answer in accepted] == ["new"] * 5
        with pytest.raises(Unavailable):
            await large
        assert len(await store.read(SESSION)) == 1

    with_store(tmp_path / "store.db", use)


FILL = """
import asyncio, resource, sys
from emonk.errors import Unavailable
from emonk.store.connect import connect
from emonk.store.owners import enlist
from emonk.store.protocol import Append
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, message, note
async def main():
    store = await connect(sys.argv[1])
    claimed = await accept_and_claim(store, message("hello"), enlist())
    write, revision = (Append((note("x" * 3000),)),), 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    try:
        while revision < 10_000:
            revision = await store.commit(write, fence=claimed.lease, expected_revision=revision)
    except Unavailable as error:
        print("Unavailable", error.message)
    print(revision, len(await store.read(SESSION)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(await store.commit(write, fence=claimed.lease, expected_revision=revision) - revision)
    await store.aclose()
asyncio.run(main())
"""


def test_operating_system_refusing_to_write_loses_nothing_acknowledged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILL, f"sqlite:///{tmp_path / 'store.db'}"]
    refused, counts, more = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert refused.startswith(f"Unavailable {tmp_path / 'store.db'} cannot")
    acknowledged, kept = (int(word) for word in counts.split())
    assert acknowledged == kept > 10
    assert more == "1"


def test_refused_commit_in_a_group_does_not_fail_the_others(tmp_path: Path) -> None:
    async def use(_file: SqliteFile, store: SqliteStore) -> None:
        claimed = await accept_and_claim(store, message("hello"), enlist())
        write = (Append((note("a"),)),)
        commits = [store.commit(write, fence=claimed.lease, expected_revision=1) for _ in range(5)]
        answers = await asyncio.gather(*commits, return_exceptions=True)
        assert [type(answer) for answer in answers] == [int, *[StaleSession] * 4]
        assert len(await store.read(SESSION)) == 2

    with_store(tmp_path / "store.db", use)


def test_turn_granted_to_a_cancelled_caller_is_given_back(tmp_path: Path) -> None:
    async def use(_file: SqliteFile, store: SqliteStore) -> None:
        for name in ("accepted", "claimed"):
            owner = enlist()
            if name == "accepted":
                call = asyncio.ensure_future(store.accept(message("hello"), owner=owner))
            else:
                call = asyncio.ensure_future(store.claim(SESSION, owner))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        claimed = await store.claim(SESSION, enlist())
        assert claimed is not None
        info = await store.session(SESSION)
        assert info is not None
        assert (claimed.resumed, claimed.lease.fence) == (True, info.created_at + 3)

    with_store(tmp_path / "store.db", use)


def test_log_is_decoded_while_others_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    decoded: list[Event] = []

    def decode_unlocked(data: bytes) -> Event:
        other = sqlite3.connect(path, timeout=0)
        other.execute("BEGIN IMMEDIATE")
        other.close()
        decoded.append(decode(data))
        return decoded[-1]

    async def use(_file: SqliteFile, store: SqliteStore) -> None:
        await finish(store, await accept_and_claim(store, message("hello", message_id="a"), enlist()), note("a"))
        monkeypatch.setattr(change, "decode", decode_unlocked)
        claimed = await accept_and_claim(store, message("again", message_id="b"), enlist())
        assert [logged.event for logged in claimed.events] == decoded
        assert len(decoded) == 3

    with_store(path, use)


def test_turn_whose_log_cannot_be_read_is_given_back(tmp_path: Path) -> None:
    async def use(file: SqliteFile, store: SqliteStore) -> None:
        await finish(store, await accept_and_claim(store, message("hello", message_id="a"), enlist()), note("a"))
        with sqlite3.connect(file.path) as connection:
            connection.execute("UPDATE events SET data = x'7b' WHERE place & 1 = 0")
        connection.close()
        for owner in (enlist(), enlist()):
            with pytest.raises(InvalidConfig, match="Event 2 of session s1 cannot be read"):
                await store.accept(message("again", message_id="b"), owner=owner)
        with pytest.raises(InvalidConfig, match="Event 2 of session s1 cannot be read"):
            await store.claim(SESSION, enlist())

    with_store(tmp_path / "store.db", use)


SPOILER = """
CREATE TABLE IF NOT EXISTS trap (session INTEGER REFERENCES sessions DEFERRABLE INITIALLY DEFERRED);
CREATE TRIGGER spoil AFTER UPDATE OF fence ON sessions BEGIN INSERT INTO trap VALUES (-1); END;
"""


@pytest.mark.parametrize("same_owner", [False, True])
def test_grant_that_was_not_committed_gives_nobody_elses_back(tmp_path: Path, *, same_owner: bool) -> None:
    async def use(file: SqliteFile, store: SqliteStore) -> None:
        await store.accept(message("hello"))
        owner = enlist()
        with sqlite3.connect(file.path) as connection:
            connection.executescript(SPOILER)
        connection.close()
        spoiled = asyncio.ensure_future(store.claim(SESSION, owner))
        await asyncio.sleep(0)
        unspoilt = file.write(lambda connection: connection.execute("DROP TRIGGER spoil").fetchall())
        granted = asyncio.ensure_future(store.claim(SESSION, owner if same_owner else enlist()))
        await asyncio.sleep(0)
        spoiled.cancel()
        await unspoilt
        claimed = await granted
        assert claimed is not None
        info = await store.session(SESSION)
        assert info is not None
        assert claimed.lease.fence == info.created_at + 1
        assert (await store.renew(claimed.lease)).fence == claimed.lease.fence

    with_store(tmp_path / "store.db", use)
