"""One contract for the files of an agent, wherever they lie."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.errors import Conflict, InvalidArguments
from emonk.memory.files import FILE_BYTES, MemoryFiles, check_path

from .places import PLACES, Place

Check = Callable[[MemoryFiles], Awaitable[None]]
Run = Callable[[Check], None]


@pytest.fixture(params=list(PLACES.values()), ids=list(PLACES))
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a check on files of every place."""
    place: Place = request.param

    def run_check(check: Check) -> None:
        async def main() -> None:
            async with place(tmp_path, monkeypatch) as files:
                await check(files)

        asyncio.run(main())

    return run_check


def test_a_file_comes_back_as_it_was_written(run: Run) -> None:
    async def check(files: MemoryFiles) -> None:
        assert await files.read("SYSTEM_PROMPT.md") is None
        assert await files.list() == ()
        for path in ("SYSTEM_PROMPT.md", "knowledge/é 100%?#.md", "a/b/c/d"):
            written = await files.write(path, b"\x00\xff\r\n", expected_generation=None)
            assert (written.path, written.data) == (path, b"\x00\xff\r\n")
            assert await files.read(path) == written
            assert await files.read(path) == written
        empty = await files.write("empty", b"", expected_generation=None)
        assert await files.read("empty") == empty

    run(check)


def test_a_write_replaces_the_generation_that_it_names_and_no_other(run: Run) -> None:
    async def check(files: MemoryFiles) -> None:
        first = await files.write("a.md", b"1", expected_generation=None)
        with pytest.raises(Conflict, match=r"a\.md was changed"):
            await files.write("a.md", b"2", expected_generation=None)
        second = await files.write("a.md", b"2", expected_generation=first.generation)
        assert second.generation != first.generation
        for stale in (first.generation, "0", "-1", "", "another", "9" * 30):
            with pytest.raises(Conflict):
                await files.write("a.md", b"3", expected_generation=stale)
            with pytest.raises(Conflict):
                await files.delete("a.md", expected_generation=stale)
        assert await files.read("a.md") == second
        with pytest.raises(Conflict):
            await files.write("other.md", b"1", expected_generation=second.generation)
        assert await files.list() == ("a.md",)

    run(check)


def test_a_file_that_was_removed_and_made_again_is_another(run: Run) -> None:
    async def check(files: MemoryFiles) -> None:
        first = await files.write("a/b.md", b"1", expected_generation=None)
        await files.delete("a/b.md", expected_generation=first.generation)
        assert await files.read("a/b.md") is None
        assert await files.list() == ()
        for change in (
            files.delete("a/b.md", expected_generation=first.generation),
            files.write("a/b.md", b"2", expected_generation=first.generation),
        ):
            with pytest.raises(Conflict):
                await change
        again = await files.write("a/b.md", b"2", expected_generation=None)
        with pytest.raises(Conflict):
            await files.write("a/b.md", b"3", expected_generation=first.generation)
        assert await files.read("a/b.md") == again

    run(check)


def test_of_writers_at_once_one_wins_each_generation(run: Run) -> None:
    async def check(files: MemoryFiles) -> None:
        generation: str | None = None
        for number in range(5):
            outcomes = await asyncio.gather(
                *(
                    files.write("a.md", f"{number} {writer}".encode(), expected_generation=generation)
                    for writer in range(4)
                ),
                return_exceptions=True,
            )
            won = [one for one in outcomes if not isinstance(one, BaseException)]
            assert len(won) == 1
            assert [type(one) for one in outcomes if isinstance(one, BaseException)] == [Conflict] * 3
            assert await files.read("a.md") == won[0]
            generation = won[0].generation

    run(check)


def test_a_listing_is_in_order_and_by_prefix(run: Run) -> None:
    async def check(files: MemoryFiles) -> None:
        paths = ["B.md", "a.md", "knowledge/1", "knowledge/2/3", "knowledgeable", "é", "\U0001f600"]
        for path in reversed(paths):
            await files.write(path, b"x", expected_generation=None)
        assert await files.list() == tuple(paths)
        assert await files.list("knowledge/") == ("knowledge/1", "knowledge/2/3")
        assert await files.list("know") == ("knowledge/1", "knowledge/2/3", "knowledgeable")
        assert await files.list("none") == ()
        assert await files.list("../") == ()

    run(check)


def test_a_listing_of_many_is_whole(run: Run) -> None:
    async def check(files: MemoryFiles) -> None:
        paths = [f"reports/{number:03}.md" for number in range(205)]
        for path in paths:
            await files.write(path, b"x", expected_generation=None)
        assert await files.list("reports/") == tuple(paths)

    run(check)


BAD_PATHS = {
    "": "is empty",
    "/etc/passwd": "is absolute",
    "a//b": "has an empty part",
    "a/": "has an empty part",
    "../secret": "leaves the agent's files",
    "a/../../secret": "leaves the agent's files",
    ".": "hidden part",
    ".env": "hidden part",
    "a/.emonk-lock": "hidden part",
    ".well-known/acme-challenge/x": "hidden part",
    "a\0b": "control character",
    "a\nb": "control character",
    "a\rb": "control character",
    "a\\b": "backslash",
    "\ud800": "half a character",
    "é" * 128: "longer than 255 bytes",
    "é/" * 400: "longer than 1024 bytes",
}


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_cannot_be_is_refused_by_every_method(path: str, run: Run) -> None:
    async def check(files: MemoryFiles) -> None:
        for attempt in (
            files.read(path),
            files.write(path, b"x", expected_generation=None),
            files.delete(path, expected_generation="1"),
        ):
            with pytest.raises(InvalidArguments, match=BAD_PATHS[path]):
                await attempt

    run(check)


def test_the_longest_path_is_taken(run: Run) -> None:
    async def check(files: MemoryFiles) -> None:
        path = "/".join(["é" * 127] * 3)
        written = await files.write(path, b"x", expected_generation=None)
        assert await files.read(path) == written

    run(check)


def test_a_file_is_at_most_as_long_as_every_place_can_keep(run: Run) -> None:
    async def check(files: MemoryFiles) -> None:
        longest = await files.write("a", bytes(FILE_BYTES), expected_generation=None)
        assert await files.read("a") == longest
        with pytest.raises(InvalidArguments, match="longer than"):
            await files.write("a", bytes(FILE_BYTES + 1), expected_generation=longest.generation)
        assert await files.read("a") == longest

    run(check)


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_whatever_the_text_it_is_a_path_below_or_refused(text: str) -> None:
    try:
        path = check_path(text)
    except InvalidArguments:
        return
    assert path == text
    assert (Path("/root") / path).resolve().is_relative_to("/root/")
    assert not Path(path).is_absolute()
