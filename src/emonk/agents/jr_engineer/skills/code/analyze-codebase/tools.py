"""The tool `analyze_codebase`."""

import asyncio
from pathlib import Path

from emonk import Context, tool
from emonk.agents.jr_engineer.survey.report import as_markdown
from emonk.agents.jr_engineer.survey.survey import survey


@tool(
    risk="low",
    idempotent=True,
    triggers=(
        "analyze the codebase",
        "analyse the codebase",
        "analyze codebase {path}",
        "analyze the codebase in {path}",
        "analyze the code in {path}",
        "describe the codebase",
        "overview of the codebase",
        "describe this repository",
        "what languages does {path} use",
        "how many lines of code",
        "how big is the codebase",
        "how big is the codebase in {path}",
        "how big is the code in {path}",
        "where are the entry points",
    ),
)
async def analyze_codebase(ctx: Context, path: str = ".") -> str:
    """Describe a code base or repository: files, lines, languages used, the largest files, where its programs start.

    Args:
        ctx: what the call may know.
        path: its directory.

    Returns:
        A summary as Markdown.
    """
    ctx.progress("counting files and lines")
    return as_markdown(await asyncio.to_thread(survey, Path(path)))
