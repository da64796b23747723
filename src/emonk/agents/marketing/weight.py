"""How long a post is for X, which weighs characters.

The rule is the version 3 configuration of twitter-text (https://github.com/twitter/twitter-text, config/v3.json):
280 at most after NFC, a character weighs 2 unless it stands in one of four ranges and weighs 1, an emoji weighs 2
however many characters it is made of, and a link weighs 23 whatever its length.
"""

import re
import unicodedata

from emonk.agents.marketing.emoji import sequences
from emonk.agents.marketing.links import find_links

LIMIT = 280
LINK_LENGTH = 23
MAX_CHARACTERS = 25_000
"""Beyond this many characters (the longest post that X sells) links are not looked for, and count in full."""

_LIGHT = re.compile("[\\0-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")


def weighted_length(text: str) -> int:
    """The length that X compares with its limit; a line break of two characters (CR LF) counts as one."""
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n")
    links = find_links(text) if len(text) <= MAX_CHARACTERS else []
    length = at = 0
    for start, end in links:
        length += _unlinked(text[at:start]) + LINK_LENGTH
        at = end
    return length + _unlinked(text[at:])


def _unlinked(text: str) -> int:
    rest, emoji = sequences().subn("", text)
    light = len(_LIGHT.findall(rest))
    return 2 * emoji + 2 * len(rest) - light
