"""Finds a tool's arguments in a user's text, where its triggers did not name their places."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

from emonk.models.offline.assignments import Assignment
from emonk.models.offline.triggers import find_choice, is_place, rest_of
from emonk.models.offline.values import Schema, is_free, takes_one_word, value_of
from emonk.models.offline.words import ARTICLES, EDGES, EMPTY, PREPOSITIONS, Word, stem

_QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|`([^`\n]+)`|(?<!\w)\'([^\'\n]+)\'(?!\w)')
_PATH = re.compile(r"(?<!\S)(?:~?[\w.-]*/[\w./-]*|[\w-]+\.[A-Za-z]\w{0,4})(?=[\s,;:!?]|\.?$)")
_URL = re.compile(r"https?://[^\s<>\"']+")
_URL_NAMES = ("url", "link", "uri", "address")
_OPENERS = ("about", "for", "on", "of", "in", "with")
_QUOTES = {'"': '"', "`": "`", "\u201c": "\u201d"}
_NOT = ("no", "without", "not", "don't")


class Finder:
    """Collects the arguments for one tool from one text."""

    def __init__(
        self,
        schema: Schema,
        text: str,
        command: str,
        found: Sequence[Word],
        *,
        known: dict[str, Any],
        taken: frozenset[Word] = frozenset(),
        tail: tuple[str, int] | None = None,
        given: Sequence[Assignment] = (),
        covers: Callable[[int], bool] = lambda _at: False,
    ) -> None:
        self._properties: dict[str, Schema] = schema.get("properties", {})
        self._required: list[str] = schema.get("required", [])
        self._text = text
        self._command = command
        self._found = found
        self._head = head_of(command, found)
        self._taken = set(taken)
        self._tail = tail
        self._given = given
        self._covers = covers
        self._refused: list[str] = []
        self.arguments = dict(known)

    def find(self, used: frozenset[str]) -> dict[str, Any]:
        """The arguments; `used` are the stems that chose the tool and say nothing more."""
        for one in self._given:
            schema = self._properties[one.name]
            value = one.value if is_free(schema) and not takes_one_word(schema) else one.value.rstrip(",;")
            if not self._put(one.name, schema, value):
                self._refused.append(self._text[one.start : one.end])
        self._refused += self._torn()
        for name, schema in self._open():
            self._put(name, schema, self._mentioned(name, schema))
        for name, schema in self._open():
            choice = find_choice(self._head, schema)
            if choice is not None and self._put(name, schema, choice[0]):
                self._taken |= {self._head[at] for at in choice[1]}
        self._take(_URL, _is_link)
        self._take(_PATH, is_place)
        self._take_quoted()
        self._take_numbers()
        self._shorten_tail()
        self._take_rest(used)
        return self.arguments

    def unexplained(self, known: frozenset[str]) -> tuple[str, ...]:
        """The words of the command that are in no argument and not `known`: what the user said beyond this tool."""
        said = {word for value in self.arguments.values() for word in _words_of(value)}
        left = [word for word in self._head if word.stem not in EMPTY | known and word not in self._taken]
        return tuple(dict.fromkeys([*self._refused, *(word.plain for word in left if _bare(word.raw) not in said)]))

    def _torn(self) -> list[str]:
        """Words between a free text without quotes and the next assignment, small ones too: likely they are of it."""
        pairs = [
            (one, following)
            for one, following in pairwise(self._given)
            if is_free(self._properties[one.name]) and not takes_one_word(self._properties[one.name])
        ]
        return [
            word.plain
            for one, following in pairs
            for word in self._found
            if one.end <= word.start < following.start
            and one.value[0] not in "\"'`"
            and word.stem not in ARTICLES | PREPOSITIONS
        ]

    def missing(self) -> list[str]:
        """Required parameters without a value."""
        return [name for name in self._required if name not in self.arguments]

    def _open(self) -> list[tuple[str, Schema]]:
        return [(name, schema) for name, schema in self._properties.items() if name not in self.arguments]

    def _open_required(self) -> list[tuple[str, Schema]]:
        return [(name, schema) for name, schema in self._open() if name in self._required]

    def _put(self, name: str, schema: Schema, value: Any) -> bool:
        if isinstance(value, str):
            value = value_of(value, schema)
        if value is None or value == "":
            return False
        self.arguments[name] = value
        return True

    def _mentioned(self, name: str, schema: Schema) -> Any | None:
        spelt = re.escape(name).replace("_", r"[\s_-]")
        match = re.search(rf"(?<!\w){spelt}\s*([=:])\s*(\"[^\"]*\"|'[^']*'|`[^`]*`|\S+)", self._command, re.IGNORECASE)
        if match is None or self._covers(match.start()):
            return self._beside(name, schema)
        self._taken |= {word for word in self._found if word.start <= match.start() < word.end}
        text = match.group(2)
        if match.group(1) == ":" and is_free(schema) and not takes_one_word(schema):
            text = self._until_next_mention(match.start(2))
        return value_of(text if text[0] in "\"'`" else text.rstrip(",;"), schema)

    def _until_next_mention(self, start: int) -> str:
        names = "|".join(re.escape(name) for name in self._properties)
        following = re.compile(rf"(?<!\w)({names})\s*[=:]", re.IGNORECASE).search(self._text, start)
        return self._text[start : following.start() if following else None].strip()

    def _beside(self, name: str, schema: Schema) -> Any | None:
        """`days 3`, `3 days`, `branch main`, `verbose`, `without verbose`."""
        places = [at for at, word in enumerate(self._head) if stem(word.plain) == stem(name)]
        for at in places:
            before = self._head[at - 1] if at else None
            after = self._head[at + 1] if at + 1 < len(self._head) else None
            if schema.get("type") == "boolean":
                denied = before is not None and before.plain.lower() in _NOT
                self._taken |= {self._head[at], *([before] if denied and before is not None else [])}
                return not denied
            for word in (after, before) if schema.get("type") in ("integer", "number") else (after,):
                if word is None or word.stem in EMPTY or word in self._taken or not self._may_be(name, schema, word):
                    continue
                value = value_of(word.plain, schema)
                if value is not None:
                    self._taken |= {word, self._head[at]}
                    return value
        return None

    def _may_be(self, name: str, schema: Schema, word: Word) -> bool:
        """Whether the word beside a parameter's name may be its value, rather than more of a sentence."""
        if not is_free(schema):
            return True
        inside_tail = self._tail is not None and word.start >= self._tail[1]
        return name not in self._required and not inside_tail and not _is_link(name)

    def _shorten_tail(self) -> None:
        """What the last placeholder of a trigger took ends before another argument: `Berlin for 5 days`."""
        if self._tail is None:
            return
        name, start = self._tail
        first = next((word for word in self._found if word.start >= start), None)
        schema = self._properties.get(name, {})
        if first is not None and self._taken and (value := value_of(self._from(first), schema)) not in (None, ""):
            self.arguments[name] = value

    def _take(self, pattern: re.Pattern[str], named: Callable[[str], bool]) -> None:
        waiting = [(name, schema) for name, schema in self._open() if is_free(schema) and named(name)]
        if not waiting:
            return
        known = set(map(str, self.arguments.values()))
        spans = [(word.start, word.end) for word in self._taken]
        for match in pattern.finditer(self._command):
            candidate = match.group().rstrip(".,;:!?") or match.group()
            free = candidate not in known and not any(start <= match.start() < end for start, end in spans)
            if free and waiting and self._put(*waiting[0], candidate):
                self._mark(match.start(), waiting.pop(0)[0])

    def _mark(self, start: int, name: str) -> None:
        """The word there is that argument; so is its name, when it stands before it: `link https://a.b`."""
        at = next((at for at, word in enumerate(self._found) if word.start <= start < word.end), None)
        if at is not None:
            self._taken.add(self._found[at])
            if at and self._found[at - 1].stem == stem(name):
                self._taken.add(self._found[at - 1])

    def _take_quoted(self) -> None:
        quoted = ["".join(groups) for groups in _QUOTED.findall(self._command)]
        known = set(map(str, self.arguments.values()))
        waiting = [(name, schema) for name, schema in self._open_required() if schema.get("type") == "string"]
        for text, (name, schema) in zip([one for one in quoted if one not in known], waiting, strict=False):
            self._put(name, schema, text)

    def _take_numbers(self) -> None:
        used = set(map(str, self.arguments.values()))
        words = [word for word in self._head if word.plain not in used]
        for name, schema in self._open_required():
            if schema.get("type") in ("integer", "number"):
                at = next((at for at, word in enumerate(words) if self._put(name, schema, word.plain)), None)
                if at is not None:
                    self._taken.add(words[at])
                    words = words[at + 1 :]

    def _take_rest(self, used: frozenset[str]) -> None:
        """What is left belongs to the one parameter that takes any words, or to the only one that waits."""
        waiting = self._open_required()
        free = [(name, schema) for name, schema in waiting if is_free(schema) or schema.get("type") == "array"]
        if len(free) == 1:
            self._put(*free[0], self._rest(used))
        elif len(waiting) == 1:
            taken = next((word for word in self._found if self._put(*waiting[0], word.plain)), None)
            self._taken |= set() if taken is None else {taken}

    def _rest(self, used: frozenset[str]) -> str:
        """What comes after the colon or the line end; else after `about` and the like; else all that chose no tool."""
        if self._head and self._head[-1] is not self._found[-1]:
            return rest_of(self._command, self._head[-1].end)
        values = {stem(str(value)) for value in self.arguments.values()}
        said = [
            word
            for word in self._found
            if word.stem not in used and stem(word.plain) not in values and word not in self._taken
        ]
        for at, word in enumerate(self._found[:-1]):
            if word.plain.lower() in _OPENERS and self._found[at + 1] in said:
                return self._from(self._found[at + 1])
        start = next((word for word in said if word.stem not in EMPTY), None)
        return "" if start is None else self._from(start)

    def _from(self, first: Word) -> str:
        """The text from that word on, without closing words that are another argument."""
        end = len(self._command)
        for word in reversed(self._found):
            if word in self._taken:
                end = word.start
            elif word.stem not in EMPTY:
                break
        kept = self._command[:end]
        while end < len(self._command) and (closing := kept.rstrip().rpartition(" "))[2].lower() in PREPOSITIONS:
            kept = closing[0]
        return rest_of(kept, first.start)


def _is_link(name: str) -> bool:
    return name.lower().split("_")[-1] in _URL_NAMES


def _words_of(value: Any) -> list[str]:
    if isinstance(value, list):
        return [word for one in cast("list[Any]", value) for word in _words_of(one)]
    return [_bare(word) for word in str(value).split()]


def _bare(word: str) -> str:
    return word.strip(EDGES).lower() or word


def head_of(text: str, found: Sequence[Word]) -> list[Word]:
    """The words of the command itself, up to a colon or a line's end; without what stands in quotes."""
    head: list[Word] = []
    closing = ""
    for word in found:
        if head and "\n" in text[head[-1].end : word.start] and not closing:
            break
        if closing or word.raw[0] in _QUOTES:
            closing = closing or _QUOTES[word.raw[0]]
            closing = "" if closing in word.raw[1:] else closing
            continue
        head.append(word)
        if word.raw.endswith(":"):
            break
    return head
