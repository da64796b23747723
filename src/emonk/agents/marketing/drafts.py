"""A post to begin from, made of a template: it holds what its caller said and invents nothing."""

import re
import unicodedata

import msgspec

from emonk.agents.marketing.posts import LIMITS, NAMES, PostCheck, check_post, platform_id
from emonk.errors import InvalidArguments

MARK = "Draft from a template, no language model wrote it."

_TEMPLATES = {
    "x": "{topic}: [what is new, in one sentence] [why the reader should care]",
    "linkedin": (
        "{topic}\n\n[What happened, in two sentences that need no background.]\n\n"
        "[Why it matters to the people who follow you, with one fact that you can prove.]\n\n[A question to them.]"
    ),
    "instagram": "{topic}\n\n[What the picture shows, and the story behind it.]\n\n[What the reader should do next.]",
}
_UNSENDABLE = re.compile("[\ud800-\udfff\ufffe\ufeff\uffff]")
_SIGNS = str.maketrans(dict.fromkeys("#\uff03@"))


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A post with gaps in [brackets] for a person or a model to fill.

    Attributes:
        text: the post, within the platform's limits.
        check: what `check_post` says of it; always ok.
        notes: what was changed of the topic to make it fit.
    """

    text: str
    check: PostCheck
    notes: tuple[str, ...] = ()


def draft_post(platform: str, topic: str, *, link: str = "") -> Draft:
    """Put a topic into the platform's template, shortened where the platform's limit asks for it.

    Raises:
        InvalidArguments: no such platform, no topic, or a link that leaves no room for one.
    """
    platform = platform_id(platform)
    wanted = _clean(topic)
    if not wanted:
        raise InvalidArguments("there is no topic to write about", hint="say in a few words what the post is about")
    ending = f"\n\n{_clean(link)}" if _clean(link) else ""
    for notes, candidate in (((), wanted), (("hashtags and mentions taken out",), _clean(wanted.translate(_SIGNS)))):
        text, cut = _fit(platform, candidate, ending)
        check = check_post(platform, text)
        if check.ok:
            return Draft(text=text, check=check, notes=(*notes, *(["topic shortened"] if cut else [])))
    raise InvalidArguments(
        f"the link leaves no room for a post on {NAMES[platform]}: {'; '.join(check.problems)}",
        hint="use a shorter link, or none",
    )


def _clean(text: str) -> str:
    """One line, without the characters that no platform takes, in the form in which X counts."""
    return " ".join(unicodedata.normalize("NFC", _UNSENDABLE.sub("", text)).split())


def _fit(platform: str, topic: str, ending: str) -> tuple[str, bool]:
    """The filled template, and whether the topic was cut for it."""
    template = _TEMPLATES[platform] + ending.replace("{", "{{").replace("}", "}}")
    limit = LIMITS[platform]

    def fits(length: int) -> bool:
        return check_post(platform, template.format(topic=_cut(topic, length))).length <= limit

    if check_post(platform, template.format(topic=topic)).length <= limit:
        return template.format(topic=topic), False
    low, high = 1, min(len(topic), limit)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    while low > 1 and not fits(low):
        low -= 1
    return template.format(topic=_cut(topic, low)), True


def _cut(topic: str, length: int) -> str:
    """At most so many characters and an ellipsis, at the end of a word where one is near."""
    short = topic[:length]
    space = short.rfind(" ", length - 20)
    return (short[:space] if space > 0 and topic[length : length + 1] != " " else short).rstrip() + "…"
