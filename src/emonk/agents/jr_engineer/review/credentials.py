"""Keys and tokens that their own shape gives away, to be found in a change and masked in whatever is shown of it."""

import re
from collections.abc import Iterator

import msgspec

LONGEST = 300
"""Characters of a token that is looked for, and of what stands around it."""
_SHAPES = {
    "secret key of a service": r"[sr]k[-_](?:live|proj|ant)[-_][\w-]{8,200}",
    "AWS access key": r"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])",
    "GitHub token": r"(?:gh[oprsu]_[A-Za-z0-9]{20,255}|github_pat_\w{22,255})",
    "Slack token": r"xox[abprs]-[A-Za-z0-9-]{10,250}",
}
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY-----(?P<body>(?:\\[nr]|[\s\"'+]){0,40}[A-Za-z0-9+/=]{16,})"
)
_PATTERN = re.compile(
    r"(?<![A-Za-z0-9])(?:" + "|".join(f"(?P<s{index}>{shape})" for index, shape in enumerate(_SHAPES.values())) + ")"
)
_KINDS = list(_SHAPES)
_ANY_KEY = re.compile(r"(-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL)
_PLACEHOLDER = re.compile(r"example|your|placeholder|dummy|redacted|replace|changeme|\.\.\.", re.IGNORECASE)
_FEWEST = 6
"""Different characters of a value that somebody did not just type to fill its place."""


class Secret(msgspec.Struct, frozen=True):
    """One that stands in a text.

    Attributes:
        kind: in words.
        start: its first character, counted from 0.
    """

    kind: str
    value: str
    start: int


def secrets_in(text: str) -> Iterator[Secret]:
    """What looks like one and like no placeholder of one; a private key must have something in it."""
    for found in _PATTERN.finditer(text):
        value = found[0]
        if not _PLACEHOLDER.search(value) and len(set(value[8:])) >= _FEWEST:
            yield Secret(_KINDS[int((found.lastgroup or "s0")[1:])], value, found.start())
    for found in _PRIVATE_KEY.finditer(text):
        yield Secret("private key", found["body"], found.start())


def masked(text: str) -> str:
    """The text with what looks like a secret as its first four characters and `***`."""
    if "PRIVATE KEY" in text:
        text = _ANY_KEY.sub(r"\1***", text)
    return _PATTERN.sub(lambda found: f"{found[0][:4]}***", text)
