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
        "review the most recent commit",
        "review the commit",
        "check the last commit",
        "look at the last commit",
        "what changed in the last commit",
        "review the last {commits} commits",
        "review {commits} commits",
        "review commit {head}",
        "review {head}",
        "review {head} against {base}",
        "review {base}..{head}",
        "review {base}...{head}",
        "review commits {base}..{head}",
        "review commits {base}...{head}",
        "review branch {head} against {base}",
        "review the changes since {base}",
        "review since {base}",
        "what changed since {base}",
        "what changed between {base} and {head}",
        "review the changes between {base} and {head}",
        "review the changes from {base} to {head}",
        "review from {base} to {head}",
        "review the last commit of the repository",
        "review the last commit of {repo}",
        "review the last {commits} commits of {repo}",
        "review the last commit in {repo}",
        "review the last {commits} commits in {repo}",
        "review the last commit of {head}",
        "review the last {commits} commits of {head}",
        "review the last commit on {head}",
        "review the last {commits} commits on {head}",
        "review the last commit of branch {head}",
        "review the last {commits} commits of branch {head}",
        "review the last commit on branch {head}",
        "review the last {commits} commits on branch {head}",
        "review the last commit of {head} branch",
        "review the last commit on {head} branch",
        "review the changes",
        "review the latest changes",
        "review the last change",
        "review the diff",
        "review the code",
        "code review",
    ),
)
async def review(ctx: Context, repo: str = ".", base: str = "", head: str = "HEAD", commits: int = 1) -> str:
    """Review committed changes in local git: bugs, security, missing tests, documentation.

    It can review one commit, the last commits, a range, or a branch against another. Nothing uncommitted, unstaged,
    staged, stashed or untracked is reviewed: only commits are.

    Args:
        ctx: what the call may know.
        repo: a directory in the repository.
        base: the revision to compare with; empty for the last commits.
        head: the revision to review; alone, that one commit.
        commits: how many commits to review, up to head, when there is no base.

    Returns:
        The findings with their evidence, and what could not be checked, as Markdown.
    """
    finished = await review_in_thread(Path(repo), base, head, commits=commits, progress=ctx.progress)
    return as_markdown(finished)
