"""The tool of the skill generate-post."""

from typing import Literal

from emonk import tool
from emonk.agents.marketing import drafts, report


@tool(risk="low", idempotent=True)
def generate_post(
    platform: Literal["x", "twitter", "tweet", "linkedin", "instagram"], topic: str, link: str = ""
) -> str:
    """Make a draft of a post from a template, with gaps in [brackets] to fill in.

    Nothing can be published yet.

    Args:
        platform: Where the post would be published; a tweet is a post for X.
        topic: What the post is about, in a few words.
        link: A link to end the post with.
    """
    return report.draft_report(drafts.draft_post("x" if platform == "tweet" else platform, topic, link=link))
