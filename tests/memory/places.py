"""Where files of an agent can lie, each fresh and open for one test."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from emonk.memory.files import MemoryFiles
from emonk.memory.gcs import GcsFiles
from emonk.memory.local import LocalFiles
from emonk.memory.stored import StoredFiles
from emonk.store.connect import connect
from emonk.testing.gcs import GcsServer

Place = Callable[[Path, pytest.MonkeyPatch], AbstractAsyncContextManager[MemoryFiles]]


@asynccontextmanager
async def local(tmp_path: Path, _: pytest.MonkeyPatch) -> AsyncGenerator[MemoryFiles]:
    yield LocalFiles(tmp_path / "memory")


@asynccontextmanager
async def gcs(_: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[MemoryFiles]:
    async with GcsServer("memory") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        files = GcsFiles("memory", prefix="agents/clerk")
        await files.check()
        yield files
        await files.aclose()


@asynccontextmanager
async def store(tmp_path: Path, _: pytest.MonkeyPatch) -> AsyncGenerator[MemoryFiles]:
    database = await connect(f"sqlite:///{tmp_path / 'store.db'}")
    yield StoredFiles(database, "clerk")
    await database.aclose()


PLACES: dict[str, Place] = {"local": local, "gcs": gcs, "store": store}
