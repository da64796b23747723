"""Runs a program for a tool: bounded output, its own process group, nothing left running afterwards."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec

OUTPUT_LIMIT = 256 * 1024


class Finished(msgspec.Struct, frozen=True):
    """How a program ended; a negative `code` is the signal that ended it. Output is cut in its middle."""

    code: int
    output: str
    errors: str


async def run_program(
    command: Sequence[str], *, stdin: bytes, environment: Mapping[str, str], directory: Path | None = None
) -> Finished:
    """Run the program to its end. When it ends, or the call is cancelled, its whole process group is killed."""
    # A start that is cancelled half-way neither ends nor reaps the process (CPython 3.11): let it come to its end.
    starting = asyncio.ensure_future(_start(command, environment, directory))
    try:
        transport, watcher = await asyncio.shield(starting)
        _feed(cast("asyncio.WriteTransport", transport.get_pipe_transport(0)), stdin)
        await watcher.exited.wait()
        _kill_group(transport.get_pid())
        await watcher.closed.wait()
    finally:
        transport, watcher = await starting
        _kill_group(transport.get_pid())
        transport.close()
        await watcher.exited.wait()
    return Finished(transport.get_returncode() or 0, watcher.output.text(), watcher.errors.text())


async def _start(
    command: Sequence[str], environment: Mapping[str, str], directory: Path | None
) -> "tuple[asyncio.SubprocessTransport, _Watcher]":
    return await asyncio.get_running_loop().subprocess_exec(
        _Watcher, *command, env=dict(environment), cwd=directory, start_new_session=True
    )


def _feed(pipe: asyncio.WriteTransport, data: bytes) -> None:
    pipe.write(data)
    pipe.write_eof()


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nobody of the group is left (macOS says so with EPERM)


class _Watcher(asyncio.SubprocessProtocol):
    """Keeps what the program writes. `exited` does not wait for children that hold its pipes open, `closed` does."""

    def __init__(self) -> None:
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self.output = _Bounded(OUTPUT_LIMIT)
        self.errors = _Bounded(OUTPUT_LIMIT)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        (self.output if fd == 1 else self.errors).add(cast("bytes", data))

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self.closed.set()


class _Bounded:
    """The first and the last half of what does not fit into `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0

    def add(self, data: bytes) -> None:
        room = self._half - len(self._head)
        self._head += data[:room]
        rest = data[room:]
        if rest:
            self._tail.append(rest)
            self._tail_size += len(rest)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._half:
            self._forget(len(self._tail.popleft()))

    def _forget(self, size: int) -> None:
        self._tail_size -= size
        self._dropped += size

    def text(self) -> str:
        tail = b"".join(self._tail)
        dropped = self._dropped + max(0, len(tail) - self._half)
        tail = tail[-self._half :]
        cut = f"\n[... {dropped} bytes left out ...]\n".encode() if dropped else b""
        return (bytes(self._head) + cut + tail).decode(errors="replace")
