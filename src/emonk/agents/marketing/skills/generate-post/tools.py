"""The tool of the skill generate-post."""

from typing import Literal

from emonk import tool
from emonk.agents.marketing import drafts, report


@tool(risk="low", idempotent=True)
def generate_post(platform: Literal["x", "twitter", "linkedin", "instagram"], topic: str, link: str = "") -> str:
    """Make a draft of a post from a template, with gaps in [brackets] to fill in. Nothing is published.

    Args:
        platform: Where the post would be published.
        topic: What the post is about, in a few words.
        link: A link to end the post with.
    """
    return report.draft_report(drafts.draft_post(platform, topic, link=link))
