"""Two processes that write the same file at once: nobody replaces what he has not seen."""

import asyncio
import itertools
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from emonk.memory.stored import StoredFiles
from emonk.store.connect import connect
from emonk.testing.gcs import GcsServer

from .writer import LINES

WRITER = Path(__file__).with_name("writer.py")
NAMES = ("anna", "otto")


async def race(kind: str, place: str, environment: dict[str, str]) -> list[int]:
    """Both writers from the same moment on; how many conflicts each one had."""
    processes: list[Process] = []
    try:
        for name in NAMES:
            command = (sys.executable, str(WRITER), name, kind, place)
            processes.append(
                await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=os.environ | environment)
            )
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        ended = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
        assert [process.returncode for process in processes] == [0, 0]
        return [int(output) for output, _ in ended]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


def is_whole(log: bytes) -> bool:
    """Every line of both is there once, and those of one are in his order."""
    lines = log.decode().splitlines()
    return all(
        [line for line in lines if line.startswith(name)] == [f"{name} {number}" for number in range(LINES)]
        for name in NAMES
    ) and len(lines) == LINES * len(NAMES)


def test_two_processes_on_a_bucket() -> None:
    async def main() -> None:
        async with GcsServer("memory") as server:
            conflicts = await race("gcs", "memory", server.environment)
            written = server.written
        assert len(written) == LINES * len(NAMES)
        assert is_whole(written[-1].data)
        # Each write holds all of the one before it and one line more: none was overwritten.
        assert all(later.data.startswith(earlier.data) for earlier, later in itertools.pairwise(written))
        assert len([one for one in server.refused if "pre-conditions" in one]) >= sum(conflicts)

    asyncio.run(main())


def test_two_processes_on_a_directory(tmp_path: Path) -> None:
    asyncio.run(race("local", str(tmp_path), {}))
    assert is_whole((tmp_path / "log.md").read_bytes())


def test_two_processes_on_a_store(tmp_path: Path) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path / 'store.db'}"
        await race("store", url, {})
        store = await connect(url)
        file = await StoredFiles(store, "clerk").read("log.md")
        await store.aclose()
        assert file is not None
        assert is_whole(file.data)

    asyncio.run(main())
