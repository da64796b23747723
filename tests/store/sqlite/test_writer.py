import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from emonk.errors import StaleSession, Unavailable
from emonk.store.sqlite.file import explain
from emonk.store.sqlite.writer import TransactionThread


class Table:
    """A thread that writes to a table of numbers, and notes the transactions it makes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.statements: list[str] = []
        self.thread = TransactionThread(
            self._open, lambda error: explain(error, path), begin="BEGIN IMMEDIATE", name="test"
        )

    @property
    def commits(self) -> int:
        return self.statements.count("COMMIT")

    def rows(self) -> list[int]:
        connection = sqlite3.connect(self.path)
        numbers = [int(row[0]) for row in connection.execute("SELECT n FROM t ORDER BY rowid")]
        connection.close()
        return numbers

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=0.01)
        connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER UNIQUE)")
        connection.set_trace_callback(self.statements.append)
        return connection


def insert(number: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        return number

    return work


def refuse(_connection: sqlite3.Connection) -> int:
    raise StaleSession("refused")


def insert_and_refuse(connection: sqlite3.Connection) -> int:
    insert(-1)(connection)
    raise StaleSession("refused")


def insert_and_break(connection: sqlite3.Connection) -> int:
    insert(-2)(connection)
    return 1 // 0


def run(path: Path, use: Callable[[Table], Awaitable[None]]) -> Table:
    table = Table(path / "t.db")

    async def main() -> None:
        try:
            await use(table)
        finally:
            await table.thread.aclose()

    asyncio.run(main())
    return table


class Gate:
    """A job that keeps the thread busy until it is opened, so that others gather."""

    def __init__(self) -> None:
        self._entered = asyncio.Event()
        self._open = threading.Event()
        self._loop = asyncio.get_running_loop()

    def work(self, _connection: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self._entered.set)
        self._open.wait()

    async def entered(self) -> None:
        await self._entered.wait()

    def open(self) -> None:
        self._open.set()


def test_what_gathers_during_a_commit_shares_the_next(tmp_path: Path) -> None:
    async def use(table: Table) -> None:
        gate = Gate()
        first = table.thread.submit(gate.work)
        await gate.entered()
        others = [table.thread.submit(insert(number)) for number in range(50)]
        gate.open()
        await first
        assert await asyncio.gather(*others) == list(range(50))

    table = run(tmp_path, use)
    assert table.commits == 2
    assert table.rows() == list(range(50))


def test_failures_in_a_group_are_their_own(tmp_path: Path) -> None:
    async def use(table: Table) -> None:
        gate = Gate()
        first = table.thread.submit(gate.work)
        await gate.entered()
        works = (insert(1), refuse, insert(2), insert_and_refuse, insert_and_break, insert(1), insert(3))
        group = [table.thread.submit(work) for work in works]
        gate.open()
        await first
        answers = await asyncio.gather(*group, return_exceptions=True)
        kinds = [answer if isinstance(answer, int) else type(answer) for answer in answers]
        assert kinds == [1, StaleSession, 2, StaleSession, ZeroDivisionError, Unavailable, 3]

    assert run(tmp_path, use).rows() == [1, 2, 3]


def test_refusal_after_something_was_written_leaves_nothing(tmp_path: Path) -> None:
    async def use(table: Table) -> None:
        gate = Gate()
        first = table.thread.submit(gate.work)
        await gate.entered()
        group = [table.thread.submit(work) for work in (insert(1), insert_and_refuse, insert(2))]
        gate.open()
        await first
        await asyncio.gather(*group, return_exceptions=True)

    assert run(tmp_path, use).rows() == [1, 2]


def test_group_waits_for_a_lock_only_once(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)

    async def use(table: Table) -> None:
        gate = Gate()
        first = table.thread.submit(gate.work)
        await gate.entered()
        group = [table.thread.submit(insert(number)) for number in range(20)]
        gate.open()
        await first
        await asyncio.gather(*group)
        other.execute("BEGIN IMMEDIATE")
        table.statements.clear()
        answers = await asyncio.gather(
            *(table.thread.submit(insert(number)) for number in range(20, 40)), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {Unavailable}
        assert len(table.statements) < 20
        other.execute("ROLLBACK")
        assert await table.thread.submit(insert(40)) == 40

    assert run(tmp_path, use).rows() == [*range(20), 40]
    other.close()


def test_connection_that_broke_is_opened_again(tmp_path: Path) -> None:
    async def use(table: Table) -> None:
        with pytest.raises(Unavailable, match="closed database"):
            await table.thread.submit(sqlite3.Connection.close)
        assert await table.thread.submit(insert(1)) == 1

    assert run(tmp_path, use).rows() == [1]


def test_refusal_before_anything_is_written_does_not_split_the_group(tmp_path: Path) -> None:
    async def use(table: Table) -> None:
        gate = Gate()
        first = table.thread.submit(gate.work)
        await gate.entered()
        group = [table.thread.submit(work) for work in (insert(1), refuse, insert(2))]
        gate.open()
        await first
        await asyncio.gather(*group, return_exceptions=True)

    table = run(tmp_path, use)
    assert (table.commits, table.rows()) == (2, [1, 2])


def test_lone_failure_is_rolled_back_and_the_thread_goes_on(tmp_path: Path) -> None:
    async def use(table: Table) -> None:
        with pytest.raises(ZeroDivisionError):
            await table.thread.submit(insert_and_break)
        with pytest.raises(StaleSession):
            await table.thread.submit(insert_and_refuse)
        assert await table.thread.submit(insert(7)) == 7

    assert run(tmp_path, use).rows() == [7]


def test_job_of_a_cancelled_caller_still_runs(tmp_path: Path) -> None:
    async def use(table: Table) -> None:
        gate = Gate()
        first = table.thread.submit(gate.work)
        await gate.entered()
        caller = asyncio.ensure_future(table.thread.submit(insert(1)))
        caller.cancel()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await first
        assert await table.thread.submit(insert(2)) == 2

    assert run(tmp_path, use).rows() == [1, 2]


def test_closing_finishes_what_was_handed_over(tmp_path: Path) -> None:
    async def use(table: Table) -> None:
        answers = [table.thread.submit(insert(number)) for number in range(5)]
        await table.thread.aclose()
        assert await asyncio.gather(*answers) == list(range(5))
        with pytest.raises(Unavailable, match="closed"):
            table.thread.submit(insert(5))
        await table.thread.aclose()

    assert run(tmp_path, use).rows() == list(range(5))


def test_closing_before_the_first_job_opens_nothing(tmp_path: Path) -> None:
    async def use(table: Table) -> None:
        await table.thread.aclose()

    assert not run(tmp_path, use).path.exists()


def test_event_loop_that_ended_does_not_stop_the_thread(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.db")
    gates: list[Gate] = []

    async def leave_early() -> None:
        gates.append(Gate())
        table.thread.submit(gates[0].work)
        table.thread.submit(insert(1))

    async def come_later() -> None:
        gates[0].open()
        assert await table.thread.submit(insert(2)) == 2
        await table.thread.aclose()

    asyncio.run(leave_early())
    asyncio.run(come_later())
    assert table.rows() == [1, 2]


def test_jobs_of_several_event_loops_are_answered_on_their_own(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.db")
    answers: list[int] = []

    async def work(start: int) -> None:
        answers.extend(await asyncio.gather(*(table.thread.submit(insert(start + n)) for n in range(20))))

    threads = [threading.Thread(target=asyncio.run, args=(work(start),)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(table.thread.aclose())
    assert sorted(answers) == sorted(table.rows()) == [*range(20), *range(100, 120), *range(200, 220)]


def test_failing_to_open_is_answered_to_everybody_and_tried_again(tmp_path: Path) -> None:
    table = Table(tmp_path / "missing" / "t.db")

    async def main() -> None:
        answers = [table.thread.submit(insert(number)) for number in range(3)]
        for answer in answers:
            with pytest.raises(Unavailable, match="unable to open"):
                await answer
        table.path.parent.mkdir()
        assert await table.thread.submit(insert(3)) == 3
        await table.thread.aclose()

    asyncio.run(main())
    assert table.rows() == [3]
