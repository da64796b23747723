"""A model reads the agent's files and writes reports, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from emonk.errors import InvalidArguments
from emonk.memory.doors import Doors
from emonk.memory.local import LocalFiles
from emonk.skills import files as skill
from emonk.skills.files import FILES_SKILL
from tests.skills.calls import context

TOOLS = {tool.name: tool for tool in FILES_SKILL.tools}
Call = Callable[..., Awaitable[str]]


def with_files(root: Path, work: Callable[[Call], Awaitable[None]]) -> None:
    async def main() -> None:
        doors = Doors("test", "anna", files=LocalFiles(root))

        async def call(name: str, /, **arguments: Any) -> str:
            return await TOOLS[name].run(arguments, context(doors=doors))

        await work(call)

    asyncio.run(main())


def test_a_model_reads_what_it_knows(tmp_path: Path) -> None:
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge" / "prices.md").write_text("A pear costs 2.")
    (tmp_path / "knowledge" / "empty.md").touch()
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / ".env").write_text("KEY=secret")

    async def work(call: Call) -> None:
        assert await call("list_memory_files") == "knowledge/empty.md\nknowledge/prices.md\nlogo.png"
        assert await call("list_memory_files", folder="reports/") == "There are no files in reports/."
        assert await call("read_memory_file", path="knowledge/prices.md") == "A pear costs 2."
        assert await call("read_memory_file", path="knowledge/empty.md") == "knowledge/empty.md is empty."
        for path, said in {
            "knowledge/none.md": "there is no file",
            "logo.png": "is no text",
            ".env": "hidden",
            "../../etc/passwd": "leaves the agent's files",
        }.items():
            with pytest.raises(InvalidArguments, match=said):
                await call("read_memory_file", path=path)

    with_files(tmp_path, work)


def test_a_report_is_written_once_and_replaced_only_on_purpose(tmp_path: Path) -> None:
    async def work(call: Call) -> None:
        assert await call("write_report", name="may.md", text="Good.") == "Wrote reports/may.md, 5 bytes."
        assert await call("write_report", name="reports/may.md", text="Good.") == "reports/may.md says just that."
        with pytest.raises(InvalidArguments, match="says something else"):
            await call("write_report", name="may.md", text="Bad.")
        assert await call("read_memory_file", path="reports/may.md") == "Good."
        assert await call("write_report", name="may.md", text="Bad.", replace=True) == "Wrote reports/may.md, 4 bytes."
        assert await call("read_memory_file", path="reports/may.md") == "Bad."

    with_files(tmp_path, work)


@pytest.mark.parametrize("name", ["../SYSTEM_PROMPT.md", "/etc/cron.d/x", "", ".hidden", "a/../../BRAND_VOICE.md"])
def test_a_report_lies_nowhere_but_among_the_reports(name: str, tmp_path: Path) -> None:
    async def work(call: Call) -> None:
        with pytest.raises(InvalidArguments):
            await call("write_report", name=name, text="x")
        assert await call("list_memory_files") == "There are no files."

    with_files(tmp_path / "memory", work)
    assert list(tmp_path.iterdir()) == []


def test_reports_cannot_fill_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skill, "MAX_REPORTS", 2)

    async def work(call: Call) -> None:
        for number in range(2):
            await call("write_report", name=f"{number}.md", text="x")
        with pytest.raises(InvalidArguments, match="2 reports already"):
            await call("write_report", name="3.md", text="x")
        await call("write_report", name="1.md", text="y", replace=True)

    with_files(tmp_path, work)
