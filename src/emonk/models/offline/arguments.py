"""Finds a tool's arguments in a user's text, where its triggers did not name their places."""

import re
from collections.abc import Sequence
from typing import Any

from emonk.models.offline.triggers import find_choice, rest_of
from emonk.models.offline.values import Schema, is_free, takes_one_word, value_of
from emonk.models.offline.words import EMPTY, PREPOSITIONS, Word, stem

_QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|`([^`\n]+)`|(?<!\w)\'([^\'\n]+)\'(?!\w)')
_PATH = re.compile(r"(?<!\S)(?:~?[\w.-]*/[\w./-]*|[\w-]+\.[A-Za-z]\w{0,4})(?=[\s,;:!?]|\.?$)")
_URL = re.compile(r"https?://[^\s<>\"']+")
_PATH_NAMES = ("path", "file", "dir", "directory", "folder", "repo", "repository")
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
    ) -> None:
        self._properties: dict[str, Schema] = schema.get("properties", {})
        self._required: list[str] = schema.get("required", [])
        self._text = text
        self._command = command
        self._found = found
        self._head = head_of(command, found)
        self._taken = set(taken)
        self.arguments = dict(known)

    def find(self, used: frozenset[str]) -> dict[str, Any]:
        """The arguments; `used` are the stems that chose the tool and say nothing more."""
        for name, schema in self._open():
            self._put(name, schema, self._mentioned(name, schema))
        for name, schema in self._open():
            choice = find_choice(self._head, schema)
            if choice is not None and self._put(name, schema, choice[0]):
                self._taken |= {self._head[at] for at in choice[1]}
        self._take(_URL, _URL_NAMES)
        self._take(_PATH, _PATH_NAMES)
        self._take_quoted()
        self._take_numbers()
        self._take_rest(used)
        return self.arguments

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
        match = re.search(rf"(?<!\w){spelt}\s*([=:])\s*(\"[^\"]*\"|'[^']*'|`[^`]*`|\S+)", self._text, re.IGNORECASE)
        if match is None:
            return self._beside(name, schema)
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
                return before is None or before.plain.lower() not in _NOT
            for word in (after, before) if schema.get("type") in ("integer", "number") else (after,):
                value = None if word is None or word.stem in EMPTY else value_of(word.plain, schema)
                if word is not None and value is not None and not (is_free(schema) and name in self._required):
                    self._taken |= {word, self._head[at]}
                    return value
        return None

    def _take(self, pattern: re.Pattern[str], names: Sequence[str]) -> None:
        waiting = [
            (name, schema) for name, schema in self._open() if is_free(schema) and name.lower().split("_")[-1] in names
        ]
        if not waiting:
            return
        known = set(map(str, self.arguments.values()))
        spans = [(word.start, word.end) for word in self._taken]
        for match in pattern.finditer(self._command):
            candidate = match.group().rstrip(".,;:!?") or match.group()
            free = candidate not in known and not any(start <= match.start() < end for start, end in spans)
            if free and waiting and self._put(*waiting[0], candidate):
                waiting.pop(0)

    def _take_quoted(self) -> None:
        quoted = ["".join(groups) for groups in _QUOTED.findall(self._command)]
        known = set(map(str, self.arguments.values()))
        waiting = [(name, schema) for name, schema in self._open_required() if schema.get("type") == "string"]
        for text, (name, schema) in zip([one for one in quoted if one not in known], waiting, strict=False):
            self._put(name, schema, text)

    def _take_numbers(self) -> None:
        used = set(map(str, self.arguments.values()))
        words = [word.plain for word in self._head if word.plain not in used]
        for name, schema in self._open_required():
            if schema.get("type") in ("integer", "number"):
                at = next((at for at, word in enumerate(words) if self._put(name, schema, word)), None)
                words = words if at is None else words[at + 1 :]

    def _take_rest(self, used: frozenset[str]) -> None:
        """What is left belongs to the one parameter that takes any words, or to the only one that waits."""
        waiting = self._open_required()
        free = [(name, schema) for name, schema in waiting if is_free(schema) or schema.get("type") == "array"]
        if len(free) == 1:
            self._put(*free[0], self._rest(used))
        elif len(waiting) == 1:
            any(self._put(*waiting[0], word.plain) for word in self._found)

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
