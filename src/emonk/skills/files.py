"""The skill `files`: a model reads the agent's memory files, and writes reports beside them."""

from emonk.errors import InvalidArguments
from emonk.memory.files import check_path
from emonk.skills.function import tool
from emonk.skills.protocol import Context
from emonk.skills.skill import Skill

REPORTS = "reports/"
LISTED = 200
MAX_REPORTS = 1_000
"""A loop must not fill the bucket or the disk."""


@tool(
    risk="low",
    idempotent=True,
    triggers=["list your memory files", "what memory files do you have", "list memory files in {folder}"],
)
async def list_memory_files(ctx: Context, folder: str = "") -> str:
    """List the agent's own files: what it knows, and the reports it wrote.

    Args:
        ctx: what the call may know.
        folder: Only what begins with this, such as knowledge/ or reports/.
    """
    paths = await ctx.files.list(folder)
    if not paths:
        return f"There are no files in {folder}." if folder else "There are no files."
    more = [f"... and {len(paths) - LISTED} more"] if len(paths) > LISTED else []
    return "\n".join([*paths[:LISTED], *more])


@tool(risk="low", idempotent=True, triggers=["read the memory file {path}", "show the memory file {path}"])
async def read_memory_file(ctx: Context, path: str) -> str:
    """Read one of the agent's own files, such as what it knows of a product.

    Args:
        ctx: what the call may know.
        path: As list_memory_files names it, such as knowledge/prices.md.
    """
    file = await ctx.files.read(path)
    if file is None:
        raise InvalidArguments(f"there is no file {path}", hint="list_memory_files names those that there are")
    try:
        return file.data.decode("utf-8-sig") or f"{path} is empty."
    except UnicodeDecodeError as error:
        raise InvalidArguments(f"{path} is no text, so it cannot be shown") from error


@tool(risk="low", idempotent=True)
async def write_report(ctx: Context, name: str, text: str, *, replace: bool = False) -> str:
    """Write a report into the agent's reports/ folder, to be read later.

    Args:
        ctx: what the call may know.
        name: A file name such as 2026-03-campaign.md.
        text: The whole report.
        replace: Write it in the place of a report of that name that says something else.
    """
    path = check_path(REPORTS + name.removeprefix(REPORTS))
    files, data = ctx.files, text.encode(errors="backslashreplace")
    there = await files.read(path)
    if there is not None and there.data == data:
        return f"{path} says just that."
    if there is not None and not replace:
        raise InvalidArguments(f"{path} is there and says something else", hint="take another name, or set replace")
    if there is None and len(await files.list(REPORTS)) >= MAX_REPORTS:
        raise InvalidArguments(f"there are {MAX_REPORTS} reports already", hint="a person must remove old ones first")
    await files.write(path, data, expected_generation=there.generation if there else None)
    return f"Wrote {path}, {len(data)} bytes."


FILES_SKILL = Skill(
    name="files",
    description="List and read the agent's own files, such as what it knows, and write reports.",
    tools=[list_memory_files, read_memory_file, write_report],
)
