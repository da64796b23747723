"""A thread with its own connection, which puts whatever has gathered meanwhile into one transaction.

A durable commit costs a flush of the disk. While one is under way, the next jobs gather and
share the following one, so that a hundred sessions cost little more than one.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from emonk.errors import EmonkError, Unavailable
from emonk.store.refusals import no_text
from emonk.store.sqlite.mailbox import Mailbox, mailbox

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

GROUP_LIMIT = 256


class _Job(NamedTuple):
    work: Work[Any]
    future: asyncio.Future[Any]
    mailbox: Mailbox


class _Stop(NamedTuple):
    """Comes last, and closes the connection."""

    future: asyncio.Future[None]
    mailbox: Mailbox


class _Outcome(NamedTuple):
    future: asyncio.Future[Any]
    mailbox: Mailbox
    value: Any
    error: Exception | None


class TransactionThread:
    """Runs jobs one after the other, in the order of their submission.

    A job is a function of the connection. It may run twice: when one of its group fails after it has written, the
    whole group is rolled back and each is run again in a transaction of its own. A job is answered when its
    transaction is durable, and runs to its end whether or not somebody still waits for it. `lost` says after each group
    whether what it did is lost all the same.
    """

    def __init__(
        self,
        open_connection: Callable[[], sqlite3.Connection],
        explain: Callable[[sqlite3.Error], EmonkError],
        *,
        begin: str,
        name: str,
        lost: Callable[[], EmonkError | None] = lambda: None,
    ) -> None:
        self._open_connection = open_connection
        self._explain = explain
        self._begin = begin
        self._name = name
        self._lost = lost
        self._jobs: SimpleQueue[_Job | _Stop] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, work: Work[T]) -> asyncio.Future[T]:
        """Hand a job over; the future is its result. The thread starts with the first one.

        Raises:
            Unavailable: the thread was closed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            if self._closed:
                raise Unavailable("The store is closed", code="store_closed")
            self._jobs.put(_Job(work, future, mailbox(loop)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        return future

    async def aclose(self) -> None:
        """Finish what was handed over, then close the connection."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._closed or self._thread is None:
                self._closed = True
                return
            self._closed = True
            self._jobs.put(_Stop(future, mailbox(loop)))
        await future

    def abandon(self) -> None:
        """Refuse whatever comes, in a child of `fork`, which has neither the thread nor who might hold the lock."""
        self._lock = threading.Lock()
        self._closed = True

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        stop: _Stop | None = None
        while stop is None:
            jobs, stop = self._gather()
            if jobs:
                connection = self._serve(connection, jobs)
        if connection is not None:
            connection.close()
        _answer([_Outcome(stop.future, stop.mailbox, None, None)])

    def _serve(self, connection: sqlite3.Connection | None, jobs: list[_Job]) -> sqlite3.Connection | None:
        """The connection for the next group; None when it cannot be opened, or not even be rolled back."""
        try:
            connection = connection or self._open_connection()
            outcomes = self._together(connection, jobs)
            if (lost := self._lost()) is not None:
                outcomes = [outcome._replace(value=None, error=outcome.error or lost) for outcome in outcomes]
        except Exception as error:  # noqa: BLE001 - belongs to those who wait; the thread must go on
            _answer(self._refused(jobs, error))
            if connection is not None:
                connection.close()
            return None
        _answer(outcomes)
        return connection

    def _gather(self) -> tuple[list[_Job], _Stop | None]:
        """Wait for one, then take what else is there; nothing comes after a stop."""
        jobs: list[_Job] = []
        entry = self._jobs.get()
        try:
            while isinstance(entry, _Job):
                jobs.append(entry)
                if len(jobs) == GROUP_LIMIT:
                    return jobs, None
                entry = self._jobs.get_nowait()
        except Empty:
            return jobs, None
        return jobs, entry

    def _together(self, connection: sqlite3.Connection, jobs: list[_Job]) -> list[_Outcome]:
        try:
            connection.execute(self._begin)
        except sqlite3.Error as error:  # nobody waits twice for a lock that is not given
            _roll_back(connection)
            return self._refused(jobs, error)
        if len(jobs) == 1:
            return [self._alone(connection, jobs[0])]
        try:
            outcomes = [self._one_of_many(connection, job) for job in jobs]
            connection.execute("COMMIT")
        except Exception:  # noqa: BLE001 - each one alone finds out again whose error it is
            _roll_back(connection)
            return [outcome for job in jobs for outcome in self._together(connection, [job])]
        return outcomes

    def _one_of_many(self, connection: sqlite3.Connection, job: _Job) -> _Outcome:
        """A refusal that comes before the job has written anything does not disturb the others."""
        changes = connection.total_changes
        try:
            return _Outcome(job.future, job.mailbox, job.work(connection), None)
        except EmonkError as error:
            if connection.total_changes != changes:
                raise
            return _Outcome(job.future, job.mailbox, None, error)

    def _alone(self, connection: sqlite3.Connection, job: _Job) -> _Outcome:
        try:
            value = job.work(connection)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever a job raises belongs to its caller
            _roll_back(connection)
            return self._refused([job], error)[0]
        return _Outcome(job.future, job.mailbox, value, None)

    def _refused(self, jobs: list[_Job], error: Exception) -> list[_Outcome]:
        reason = self._reason(error)
        return [_Outcome(job.future, job.mailbox, None, reason) for job in jobs]

    def _reason(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error):
            return self._explain(error)
        return no_text(error) if isinstance(error, UnicodeEncodeError) else error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _answer(outcomes: list[_Outcome]) -> None:
    """Wake every event loop once."""
    groups: dict[Mailbox, list[_Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.mailbox, []).append(outcome)
    for box, group in groups.items():
        box.post(partial(_settle, group))


def _settle(outcomes: list[_Outcome]) -> None:
    for future, _, value, error in outcomes:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
