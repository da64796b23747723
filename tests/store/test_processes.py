"""Several processes on one database, and processes that are killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from emonk.events import ToolReturned, UserSaid
from emonk.records import SessionKey
from emonk.store.connect import connect
from emonk.store.owners import enlist
from emonk.store.protocol import Store
from emonk.testing.store_conformance.rig import SESSION, finish

from .work import SESSIONS, TURNS

T = TypeVar("T")
WORK = Path(__file__).with_name("work.py")


@contextmanager
def worker(command: str, url: str, name: str = "") -> Generator[subprocess.Popen[str]]:
    """A process of `work.py`, killed at the end if it still runs."""
    arguments = [sys.executable, str(WORK), command, url, name]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def on(url: str, use: Callable[[Store], Awaitable[T]]) -> T:
    async def main() -> T:
        store = await connect(url)
        try:
            return await use(store)
        finally:
            await store.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize("lines", [1, 60, 700])
def test_killed_process_loses_no_acknowledged_append(url: str, lines: int) -> None:
    acknowledged: dict[str, int] = {}
    with worker("append", url) as process:
        start(process)
        said = [line_of(process) for _ in range(lines)]
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        said += [line for line in process.stdout if line.endswith("\n")]
    for line in said:
        session_id, revision = line.split()
        acknowledged[session_id] = int(revision)

    async def check(store: Store) -> None:
        for number in range(SESSIONS):
            name = f"s{number}"
            logged = await store.read(SessionKey("clerk", name))
            assert len(logged) >= acknowledged.get(name, 0)
            contents = [entry.event.result.content for entry in logged if isinstance(entry.event, ToolReturned)]
            assert contents == [f"{name} {revision}" for revision in range(2, len(logged) + 1)]

    on(url, check)


def test_turn_of_a_killed_process_is_resumed_at_once(url: str) -> None:
    with worker("hold", url) as process:
        assert line_of(process) == "claimed\n"

        async def while_it_runs(store: Store) -> None:
            assert await store.claim(SESSION, enlist()) is None
            assert await store.due("clerk") == []

        async def once_it_is_killed(store: Store) -> None:
            assert await store.due("clerk") == [SESSION]
            claimed = await store.claim(SESSION, enlist())
            assert claimed is not None
            assert claimed.resumed
            assert claimed.item.message_id == "hello"
            await finish(store, claimed)

        on(url, while_it_runs)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        on(url, once_it_is_killed)


def test_two_processes_never_mix_their_turns(url: str) -> None:
    with worker("turns", url, "a") as one, worker("turns", url, "b") as other:
        start(one)
        start(other)
        assert (one.wait(), other.wait()) == (0, 0)

    async def check(store: Store) -> None:
        logged = await store.read(SESSION)
        messages: list[str] = []
        for place in range(0, len(logged), 4):
            said, *notes = (entry.event for entry in logged[place : place + 4])
            assert isinstance(said, UserSaid)
            messages.append(said.message_id)
            contents = [note.result.content.split() for note in notes if isinstance(note, ToolReturned)]
            runner = contents[0][0]
            assert contents == [[runner, said.message_id, str(step)] for step in range(3)]
        for name in "ab":
            assert [sent for sent in messages if sent.startswith(name)] == [f"{name}-{n}" for n in range(TURNS)]
        assert len(messages) == 2 * TURNS
        assert await store.due("clerk") == []

    on(url, check)


def test_several_processes_may_open_a_new_database_at_once(url: str) -> None:
    with worker("accept", url, "a") as a, worker("accept", url, "b") as b, worker("accept", url, "c") as c:
        for process in (a, b, c):
            start(process)
        assert [process.wait() for process in (a, b, c)] == [0, 0, 0]

    async def messages(store: Store) -> set[str]:
        owner, seen = enlist(), set[str]()
        while claimed := await store.claim(SESSION, owner):
            seen.add(claimed.item.message_id)
            await finish(store, claimed)
        return seen

    assert on(url, messages) == {"a", "b", "c"}
