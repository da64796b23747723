"""`name=value` in a user's text."""

import re
from itertools import islice

import msgspec

from emonk.models.offline.values import Schema, is_free, takes_one_word

# More are no command, and each is looked at by itself.
_MOST = 20


class Assignment(msgspec.Struct, frozen=True):
    """`text[start:end]` gives the parameter that value, quotes included."""

    name: str
    value: str
    start: int
    end: int


def assignments(text: str, properties: dict[str, Schema]) -> list[Assignment]:
    """What has the form of an assignment to one of these parameters.

    A value is one word or stands in quotes; that of the last assignment, if it may be any text, runs to the end.
    """
    if "=" not in text or not properties:
        return []
    names = {name.lower(): name for name in properties}
    spelt = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)({spelt})=(\"[^\"]*\"|'[^']*'|`[^`]*`|\S+)", re.IGNORECASE)
    matches = list(islice(pattern.finditer(text), _MOST + 1))
    found = [Assignment(names[one[1].lower()], one[2], one.start(), one.end()) for one in matches[:_MOST]]
    if not found or len(matches) > _MOST:
        return found
    last, schema = found[-1], properties[found[-1].name]
    if (
        is_free(schema)
        and not takes_one_word(schema)
        and not (last.value[0] in "\"'`" and last.value[1:].endswith(last.value[0]))
    ):
        value = text[last.end - len(last.value) :].rstrip()
        found[-1] = Assignment(last.name, value, last.start, last.end - len(last.value) + len(value))
    return found


def blanked(text: str, given: list[Assignment]) -> str:
    """The text with blanks in their places, so that all the rest stays where it is."""
    for one in given:
        text = text[: one.start] + " " * (one.end - one.start) + text[one.end :]
    return text
