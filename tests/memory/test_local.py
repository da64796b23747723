"""A directory is left by no path, and seen whole whoever writes to it."""

import asyncio
import fcntl
import os
from pathlib import Path

import pytest

from emonk.errors import Conflict, InvalidArguments, InvalidConfig, Unavailable
from emonk.memory import local
from emonk.memory.files import FILE_BYTES
from emonk.memory.local import LocalFiles


def test_no_symbolic_link_is_followed(tmp_path: Path) -> None:
    async def main() -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_text("secret")
        root = tmp_path / "root"
        (root / "real").mkdir(parents=True)
        (root / "file").symlink_to(outside / "secret")
        (root / "folder").symlink_to(outside)
        (root / "real" / "folder").symlink_to(outside)
        (root / "dangling").symlink_to(outside / "new")
        files = LocalFiles(root)
        for path in ("file", "folder/secret", "real/folder/secret", "dangling"):
            with pytest.raises(InvalidArguments, match="symbolic link"):
                await files.read(path)
            with pytest.raises(InvalidArguments, match="symbolic link"):
                await files.write(path, b"x", expected_generation=None)
            with pytest.raises(InvalidArguments, match="symbolic link"):
                await files.delete(path, expected_generation="1")
        with pytest.raises(InvalidArguments, match="symbolic link"):
            await files.write("folder/new", b"x", expected_generation=None)
        assert await files.list() == ()
        assert [path.name for path in outside.iterdir()] == ["secret"]
        assert (outside / "secret").read_text() == "secret"

    asyncio.run(main())


@pytest.mark.parametrize("trap", ["hard link", "symbolic link", "pipe", "left over"])
def test_what_lies_where_a_new_file_is_prepared_is_not_written_into(tmp_path: Path, trap: str) -> None:
    async def main() -> None:
        root, outside, prepared = tmp_path / "root", tmp_path / "outside", tmp_path / "root" / ".emonk-new"
        root.mkdir()
        outside.write_text("secret")
        match trap:
            case "hard link":
                os.link(outside, prepared)
            case "symbolic link":
                prepared.symlink_to(outside)
            case "pipe":
                os.mkfifo(prepared)
            case _:
                prepared.write_text("half of")
        await LocalFiles(root).write("a", b"x", expected_generation=None)
        assert (root / "a").read_bytes() == b"x"
        assert outside.read_text() == "secret"
        assert not prepared.exists()

    asyncio.run(main())


def test_a_pipe_in_place_of_the_lock_makes_nobody_wait(tmp_path: Path) -> None:
    async def main() -> None:
        os.mkfifo(tmp_path / ".emonk-lock")
        with pytest.raises(Unavailable):
            await LocalFiles(tmp_path).write("a", b"x", expected_generation=None)

    asyncio.run(main())


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        await LocalFiles(tmp_path / "link").write("a", b"x", expected_generation=None)
        assert (tmp_path / "real" / "a").read_bytes() == b"x"

    asyncio.run(main())


def test_what_a_person_saves_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        files = LocalFiles(tmp_path)
        (tmp_path / "BRAND_VOICE.md").write_text("by hand")
        read = await files.read("BRAND_VOICE.md")
        assert read is not None
        assert read.data == b"by hand"
        (tmp_path / "BRAND_VOICE.md").write_text("by hand, too")
        with pytest.raises(Conflict):
            await files.write("BRAND_VOICE.md", b"mine", expected_generation=read.generation)
        assert (tmp_path / "BRAND_VOICE.md").read_text() == "by hand, too"

    asyncio.run(main())


def test_only_files_are_seen(tmp_path: Path) -> None:
    async def main() -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "folder").mkdir()
        (tmp_path / ".env").write_text("KEY=1")
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "config").write_text("x")
        (tmp_path / os.fsdecode(b"\xff.md")).write_text("x")
        (tmp_path / "file").write_text("x")
        files = LocalFiles(tmp_path)
        assert await files.list() == ("file",)
        assert await files.read("folder") is None
        with pytest.raises(InvalidArguments, match="no regular file"):
            await files.read("pipe")
        with pytest.raises(InvalidArguments, match="is a folder"):
            await files.write("folder", b"x", expected_generation=None)
        with pytest.raises(InvalidArguments, match="through a file"):
            await files.write("file/below", b"x", expected_generation=None)

    asyncio.run(main())


def test_a_file_that_is_too_long_is_said_to_be(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "long.md").write_bytes(bytes(FILE_BYTES + 1))
        with pytest.raises(InvalidArguments, match=r"long\.md is longer than"):
            await LocalFiles(tmp_path).read("long.md")

    asyncio.run(main())


def test_what_a_killed_writer_left_is_in_nobodys_way(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / ".emonk-new").write_text("half a fi")
        (tmp_path / ".emonk-lock").touch()
        files = LocalFiles(tmp_path)
        await files.write("a", b"whole", expected_generation=None)
        assert (tmp_path / "a").read_bytes() == b"whole"
        assert await files.list() == ("a",)

    asyncio.run(main())


def test_a_writer_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LOCK_SECONDS", 0.0)
    files = LocalFiles(tmp_path)
    with (tmp_path / ".emonk-lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another process keeps"):
            asyncio.run(files.write("a", b"x", expected_generation=None))
        assert asyncio.run(files.read("a")) is None
    asyncio.run(files.write("a", b"x", expected_generation=None))


def test_a_folder_goes_with_its_last_file(tmp_path: Path) -> None:
    async def main() -> None:
        files = LocalFiles(tmp_path)
        first = await files.write("a/b/c", b"1", expected_generation=None)
        second = await files.write("a/d", b"2", expected_generation=None)
        await files.delete("a/b/c", expected_generation=first.generation)
        assert (tmp_path / "a").exists()
        assert not (tmp_path / "a" / "b").exists()
        await files.delete("a/d", expected_generation=second.generation)
        await files.write("a", b"now a file", expected_generation=None)

    asyncio.run(main())


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "file").touch()
        files = LocalFiles(tmp_path / "file")
        with pytest.raises(InvalidConfig, match="must be a directory"):
            await files.write("a", b"x", expected_generation=None)
        with pytest.raises(InvalidConfig, match="must be a directory"):
            await files.read("a")

    asyncio.run(main())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InvalidConfig, match="Permission denied"):
            asyncio.run(LocalFiles(tmp_path).write("a", b"x", expected_generation=None))
    finally:
        tmp_path.chmod(0o700)
