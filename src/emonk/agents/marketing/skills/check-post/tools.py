"""The tool of the skill check-post."""

from typing import Literal

from emonk import tool
from emonk.agents.marketing import posts, report


@tool(risk="low", idempotent=True)
def check_post(platform: Literal["x", "twitter", "tweet", "linkedin", "instagram"], text: str) -> str:
    """Check whether a post fits its platform: length, refused characters, hashtags, mentions.

    Nothing can be published yet.

    Args:
        platform: Where the post would be published; a tweet is a post for X.
        text: The whole post as it would be published.
    """
    return report.check_report(posts.check_post("x" if platform == "tweet" else platform, text))
