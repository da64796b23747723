"""The tool `review`."""

from pathlib import Path

from emonk import Context, tool
from emonk.agents.jr_engineer.review.background import review_in_thread
from emonk.agents.jr_engineer.review.report import as_markdown


@tool(
    risk="low",
    idempotent=True,
    triggers=(
        "review the last commit",
        "review the latest commit",
        "review my last commit",
        "review the last {commits} commits",
        "review the last commit of {repo}",
        "review the last {commits} commits of {repo}",
        "review the last commit in {repo}",
        "review the last {commits} commits in {repo}",
        "review {base}..{head}",
        "review {base}...{head}",
        "review the changes between {base} and {head}",
        "review the changes from {base} to {head}",
        "review the changes since {base}",
        "review branch {head} against {base}",
        "review {head} against {base}",
        "review the changes",
        "review the code",
        "code review",
    ),
)
async def review(ctx: Context, repo: str = ".", base: str = "", head: str = "HEAD", commits: int = 1) -> str:
    """Review the changes between two revisions of a local git repository: bugs, security, missing tests, documentation.

    Args:
        ctx: what the call may know.
        repo: a directory in the repository.
        base: the revision to compare with; empty for the last commits.
        head: the revision to review.
        commits: how many of the last commits to review when there is no base.

    Returns:
        The findings with their evidence, and what could not be checked, as Markdown.
    """
    finished = await review_in_thread(Path(repo), base, head, commits=commits, progress=ctx.progress)
    return as_markdown(finished)
