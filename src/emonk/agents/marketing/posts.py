"""Says of a post whether its platform would take it: length, characters, hashtags, mentions."""

import difflib
import re
from collections.abc import Iterator

import msgspec

from emonk.agents.marketing import weight
from emonk.errors import InvalidArguments

NAMES = {"x": "X", "linkedin": "LinkedIn", "instagram": "Instagram"}
LIMITS = {"x": weight.LIMIT, "linkedin": 3000, "instagram": 2200}
HASHTAG_LIMIT = 5
"""What Instagram takes by default (facts of 2026); it was 30 before, so it can be set."""
MENTION_LIMIT = 20

_ALIASES = {"twitter": "x"}
_HASHTAG = re.compile(r"(?<![&/])[#\uff03](?:\w|[^\x00-\x7f\s])+")
_MENTION = re.compile(r"(?<![\w.+-])@\w[\w.]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_REFUSED_BY_X = re.compile("[\ufffe\ufeff\uffff]")
_RESERVED_BY_LINKEDIN = re.compile(r"[\\|{}@\[\]()<>#*_~]")


class PostCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform would make of a post.

    Attributes:
        length: in the platform's own unit: weighted characters for X, UTF-16 code units for LinkedIn and Instagram.
        limit: the most that it takes, in the same unit.
        problems: why it would be refused, one line each.
        notes: what is good to know and no reason to refuse it.
    """

    platform: str
    length: int
    limit: int
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def check_post(platform: str, text: str, *, hashtag_limit: int = HASHTAG_LIMIT) -> PostCheck:
    """Check a post before it is sent; nothing is sent or changed.

    X is counted by the version 3 rules of twitter-text. What LinkedIn and Instagram call a character is not
    documented, so they are counted in UTF-16 code units, where most emoji are 2: no other unit gives more.

    Args:
        platform: `x` (or `twitter`), `linkedin` or `instagram`, in any case.
        text: the post as a reader would see it.
        hashtag_limit: the most hashtags that Instagram takes.

    Raises:
        InvalidArguments: no such platform.
    """
    platform = platform_id(platform)
    length = weight.weighted_length(text) if platform == "x" else _utf16(text)
    problems = (*_common_problems(platform, text, length), *_own_problems(platform, text, hashtag_limit))
    return PostCheck(
        platform=platform,
        length=length,
        limit=LIMITS[platform],
        problems=problems,
        notes=tuple(_notes(platform, text, length)),
    )


def platform_id(name: str) -> str:
    """`x`, `linkedin` or `instagram`, for any way of writing it.

    Raises:
        InvalidArguments: no such platform; the hint names the closest, or all.
    """
    wanted = name.strip().casefold()
    wanted = _ALIASES.get(wanted, wanted)
    if wanted in NAMES:
        return wanted
    close = difflib.get_close_matches(wanted, (*NAMES, *_ALIASES), n=1)
    hint = f"did you mean {close[0]}?" if close else "use x, linkedin or instagram"
    raise InvalidArguments(f"there is no platform {name!r}", hint=hint)


def _utf16(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _common_problems(platform: str, text: str, length: int) -> Iterator[str]:
    limit = LIMITS[platform]
    if not text.strip():
        yield "the post is empty"
    if length > limit:
        yield f"{length - limit} over the limit: {length} of {limit}"
    if found := _SURROGATE.search(text):
        yield f"half a character (U+{ord(found[0]):04X}) stands alone, so the text cannot be sent"


def _own_problems(platform: str, text: str, hashtag_limit: int) -> Iterator[str]:
    if platform == "x":
        refused = dict.fromkeys(_REFUSED_BY_X.findall(text))
        yield from (f"X refuses the invisible character U+{ord(character):04X}" for character in refused)
    elif platform == "instagram":
        yield from _too_many("hashtags", len(_HASHTAG.findall(text)), hashtag_limit)
        yield from _too_many("mentions", len(_MENTION.findall(text)), MENTION_LIMIT)


def _too_many(what: str, count: int, limit: int) -> Iterator[str]:
    if count > limit:
        yield f"{count} {what}, Instagram takes {limit}"


def _notes(platform: str, text: str, length: int) -> Iterator[str]:
    if platform == "x" and len(text) > weight.MAX_CHARACTERS:
        yield f"links are counted in full beyond {weight.MAX_CHARACTERS} characters"
    elif platform == "linkedin" and (escapes := len(_RESERVED_BY_LINKEDIN.findall(text))):
        yield from _escape_notes(escapes, length)
    elif platform == "instagram" and text.strip():
        yield "Instagram takes this text only as the caption of an image or a video"


def _escape_notes(escapes: int, length: int) -> Iterator[str]:
    yield f"{escapes} reserved characters must be escaped when it is sent, or LinkedIn cuts the post off silently"
    if length <= LIMITS["linkedin"] < length + escapes:
        yield f"with its escapes it is {length + escapes} long; LinkedIn does not document whether they count"
