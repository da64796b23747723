"""Files in a bucket: what is asked for, what goes wrong and how it is told."""

import asyncio
import importlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from emonk.errors import (
    Conflict,
    EmonkError,
    InvalidArguments,
    InvalidConfig,
    MissingCredential,
    RateLimited,
    Unavailable,
)
from emonk.memory.files import FILE_BYTES
from emonk.memory.gcs import CACHE_BYTES, GcsFiles
from emonk.testing.gcs import Fault, GcsServer

storage: Any = importlib.import_module("google.cloud.storage")

Work = Callable[[GcsFiles, GcsServer], Awaitable[None]]


def with_bucket(monkeypatch: pytest.MonkeyPatch, work: Work, *, prefix: str = "") -> None:
    async def main() -> None:
        async with GcsServer("memory") as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            files = GcsFiles("memory", prefix=prefix)
            await work(files, server)
            await files.aclose()

    asyncio.run(main())


def test_what_was_read_is_not_fetched_again_and_never_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(files: GcsFiles, server: GcsServer) -> None:
        written = await files.write("a.md", b"1", expected_generation=None)
        other = GcsFiles("memory")
        for _ in range(3):
            assert await files.read("a.md") == written
        downloads = [one for one in server.requests if one.startswith("GET /download")]
        assert len(downloads) == 3
        assert server.refused == ["At least one of the pre-conditions you specified did not hold."] * 3  # 304
        changed = await other.write("a.md", b"2", expected_generation=written.generation)
        assert await files.read("a.md") == changed
        await other.delete("a.md", expected_generation=changed.generation)
        assert await files.read("a.md") is None
        await other.aclose()

    with_bucket(monkeypatch, work)


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(files: GcsFiles, server: GcsServer) -> None:
        count = CACHE_BYTES // FILE_BYTES + 1
        for number in range(count):
            await files.write(f"{number}", bytes(FILE_BYTES), expected_generation=None)
        server.refused.clear()
        for number in reversed(range(count)):
            file = await files.read(f"{number}")
            assert file is not None
            assert len(file.data) == FILE_BYTES
        assert 0 < len(server.refused) < count

    with_bucket(monkeypatch, work)


def test_two_prefixes_of_a_bucket_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(files: GcsFiles, server: GcsServer) -> None:
        other = GcsFiles("memory", prefix="agents/b/")
        await files.write("x", b"1", expected_generation=None)
        await other.write("y", b"1", expected_generation=None)
        assert (await files.list(), await other.list()) == (("x",), ("y",))
        assert await other.read("x") is None
        assert [one.name for one in server.written] == ["agents/a/x", "agents/b/y"]
        await other.aclose()

    with_bucket(monkeypatch, work, prefix="agents/a")


def test_objects_that_are_no_files_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(files: GcsFiles, server: GcsServer) -> None:
        client = storage.Client()
        for name in ("folder/", "a//b", ".hidden", "ok"):
            await asyncio.to_thread(client.bucket("memory").blob(name).upload_from_string, b"x")
        assert await files.list() == ("ok",)

    with_bucket(monkeypatch, work)


def test_an_object_that_is_too_long_is_not_taken_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(files: GcsFiles, server: GcsServer) -> None:
        upload = storage.Client().bucket("memory").blob("long").upload_from_string
        await asyncio.to_thread(upload, bytes(FILE_BYTES + 1))
        with pytest.raises(InvalidArguments, match="long is longer than"):
            await files.read("long")

    with_bucket(monkeypatch, work)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (401, MissingCredential, "application-default login"),
        (403, MissingCredential, "roles/storage.objectUser"),
        (429, RateLimited, "too many requests"),
        (500, Unavailable, "answered 500"),
        (503, Unavailable, "answered 503"),
        (400, InvalidConfig, "answered 400"),
        ("drop", Unavailable, "cannot be reached"),
    ],
)
def test_each_failure_is_one_clear_error(
    fault: Fault, kind: type[EmonkError], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(files: GcsFiles, server: GcsServer) -> None:
        file = await files.write("a", b"1", expected_generation=None)
        for attempt in (
            lambda: files.read("a"),
            lambda: files.read("b"),
            lambda: files.write("a", b"2", expected_generation=file.generation),
            files.list,
            lambda: files.delete("a", expected_generation=file.generation),
            files.check,
        ):
            server.fail(fault)
            before = len(server.requests)
            with pytest.raises(kind, match=said) as caught:
                await attempt()
            assert type(caught.value) is kind
            assert len(server.requests) == before + 1  # nothing is tried twice here
            assert "gs://memory" in caught.value.message
        assert await files.read("a") == file

    with_bucket(monkeypatch, work)


def test_a_write_whose_answer_was_lost_is_seen_by_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(files: GcsFiles, server: GcsServer) -> None:
        server.fail("drop_after")
        with pytest.raises(Unavailable):
            await files.write("a", b"1", expected_generation=None)
        with pytest.raises(Conflict):
            await files.write("a", b"1", expected_generation=None)
        file = await files.read("a")
        assert file is not None
        assert file.data == b"1"

    with_bucket(monkeypatch, work)


def test_a_bucket_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(_: GcsFiles, server: GcsServer) -> None:
        files = GcsFiles("other")
        for attempt in (files.check(), files.read("a"), files.write("a", b"", expected_generation=None)):
            with pytest.raises(InvalidConfig, match="the bucket other does not exist"):
                await attempt
        await files.aclose()

    with_bucket(monkeypatch, work)


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with GcsServer() as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
        files = GcsFiles("memory")
        with pytest.raises(Unavailable, match="cannot be reached"):
            await files.check()
        await files.aclose()

    asyncio.run(main())


def without_credentials(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(home))
    # As NO_GCE_CHECK does, which is read once in a process: a test must not ask for a metadata server.
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", True)


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_credentials(monkeypatch, tmp_path)
    with pytest.raises(MissingCredential, match="gcloud auth application-default login"):
        GcsFiles("memory")


@pytest.mark.parametrize("content", ["", "{", json.dumps({"type": "service_account"}), json.dumps({"type": "new"})])
def test_credentials_that_cannot_be_read(content: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_credentials(monkeypatch, tmp_path)
    (tmp_path / "key.json").write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(MissingCredential, match="no usable credentials"):
        GcsFiles("memory")


@pytest.mark.parametrize("prefix", ["../other", "a//b", ".hidden", "a\nb"])
def test_a_prefix_that_cannot_be(prefix: str) -> None:
    with pytest.raises(InvalidConfig, match=r"memory\.prefix"):
        GcsFiles("memory", prefix=prefix)
