"""Trigger phrases: `write a post for {platform} about {topic}` against what a user wrote."""

import re
from collections.abc import Iterable, Sequence, Set
from typing import Any

import msgspec

from emonk.models.offline.values import Schema, is_free, takes_one_word, value_of
from emonk.models.offline.words import ARTICLES, COPULAS, COURTESY, EMPTY, PREPOSITIONS, Word, stem

_SLOT = re.compile(r"\{(\w+)\}")
_LONGEST_CHOICE = 3
_PLACES = ("path", "file", "dir", "directory", "folder", "repo", "repository")
_PATH_LIKE = re.compile(r"^[~./]|/$")
_NAME_LIKE = re.compile(r"^(?=[^/]*$)(.*[0-9~^@]|[A-Z_]{2,}$)")
_HERE = frozenset(("this", "my", "our", "your"))
_ASKING = re.compile(r"(who|what|how|where|when|why|which|is|are|do|does|did|can|could|would|will)\b", re.IGNORECASE)


class Fit(msgspec.Struct, frozen=True):
    """How a text fits a trigger: what its placeholders stand for, and how much of the text it explains.

    `weight` counts the words of the trigger that were there; `left` the words of the text that say something else.
    `words` are those of the text that the trigger used up; `tail` is the parameter that took all the rest, and since
    which character; `spans` are where placeholders took any words, from one character to another.
    """

    weight: float
    left: int
    arguments: dict[str, Any]
    words: frozenset[int] = frozenset()
    tail: tuple[str, int] | None = None
    spans: frozenset[tuple[int, int]] = frozenset()

    def covers(self, at: int) -> bool:
        """Whether that character is inside of what a placeholder took, not where it begins."""
        return any(start < at < end for start, end in self.spans)

    def plus(self, weight: float, arguments: dict[str, Any], words: Iterable[int] = ()) -> "Fit":
        """The same with more of the trigger before it."""
        return Fit(
            self.weight + weight, self.left, arguments | self.arguments, self.words | {*words}, self.tail, self.spans
        )


class Trigger:
    """One phrase, compiled for a tool's parameters."""

    def __init__(self, phrase: str, properties: dict[str, Schema]) -> None:
        self._properties = properties
        parts = [_Part.read(word) for word in phrase.split()]
        self._parts = _without_articles(parts)
        self._short = _without_choices(self._parts, properties)
        self.literals = frozenset(part.stem for part in self._parts if not part.slots)
        self.slots = frozenset(_SLOT.findall(phrase))

    def fit(self, text: str, found: Sequence[Word], said: Set[str]) -> Fit | None:
        """How the text fits, or None when it does not; `said` are the stems of the words that were found."""
        fit = _Matcher(self._properties, text, found).match(self._parts) if self.literals <= said else None
        if fit is not None or self._short is None or not self._short.literals <= said:
            return fit
        return self._fit_choice_elsewhere(text, found, self._short)

    def _fit_choice_elsewhere(self, text: str, found: Sequence[Word], short: "_Short") -> Fit | None:
        """`write a linkedin post about x` says the same as `write a post for linkedin about x`."""
        taken = find_choice(found, self._properties[short.slot])
        if taken is None:
            return None
        value, at = taken
        before = {at[0] - 1} if at[0] and found[at[0] - 1].stem in PREPOSITIONS else set[int]()
        rest = [word for number, word in enumerate(found) if number not in {*at, *before}]
        fit = _Matcher(self._properties, text, rest).match(short.parts)
        if fit is None or _swallowed(fit, short.parts, found[at[0]], rest):
            return None
        used = frozenset(found.index(rest[number]) for number in fit.words) | {*at, *before}
        return Fit(fit.weight + 0.5, fit.left, {short.slot: value, **fit.arguments}, used, fit.tail, fit.spans)


def find_choice(found: Sequence[Word], schema: Schema) -> tuple[Any, tuple[int, ...]] | None:
    """The first words that name one of the schema's choices, and their places."""
    if "enum" not in schema:
        return None
    for start in range(len(found)):
        for size in range(min(_LONGEST_CHOICE, len(found) - start), 0, -1):
            places = tuple(range(start, start + size))
            value = value_of(" ".join(found[at].plain for at in places), schema)
            value = _by_stem(found[start].stem, schema) if value is None and size == 1 else value
            if value is not None:
                return value, places
    return None


def _by_stem(word: str, schema: Schema) -> Any | None:
    if len(word) < 3:
        return None
    return next((choice for choice in schema["enum"] if isinstance(choice, str) and stem(choice) == word), None)


def _swallowed(fit: Fit, parts: "Sequence[_Part]", choice: Word, rest: Sequence[Word]) -> bool:
    """The choice lies inside what the last placeholder took: then it is a word of the value, not a choice."""
    if not parts or not parts[-1].slots or not rest:
        return False
    last_literal = max((rest[at].start for at in fit.words), default=0)
    return choice.start > last_literal


class _Part(msgspec.Struct, frozen=True):
    """A word of a trigger: a literal, a placeholder alone, or placeholders within one word such as `{a}..{b}`.

    `after` is the article that stood before a placeholder.
    """

    stem: str
    slots: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    after: str = ""

    @classmethod
    def read(cls, word: str) -> "_Part":
        slots = tuple(_SLOT.findall(word))
        if not slots:
            return cls(stem(word.strip(".,;:!?\"'")))
        if _SLOT.fullmatch(word.strip(".,;:!?\"'")):
            return cls("", slots)
        literal = [re.escape(piece) for piece in _SLOT.split(word)[::2]]
        groups = [r"([^\s]+?)"] * (len(slots) - 1) + [r"([^\s]+)"]
        pattern = "".join(piece for pair in zip(literal, [*groups, ""], strict=True) for piece in pair)
        return cls("", slots, re.compile(pattern, re.IGNORECASE))


def _without_articles(parts: Sequence[_Part]) -> tuple[_Part, ...]:
    """Articles say nothing, but `is` before a placeholder does: `who is {person}` is not every `who`."""
    kept: list[_Part] = []
    for at, part in enumerate(parts):
        before_slot = at + 1 < len(parts) and bool(parts[at + 1].slots)
        if part.slots:
            article = parts[at - 1].stem if at and not parts[at - 1].slots else ""
            kept.append(msgspec.structs.replace(part, after=article if article in ARTICLES - COPULAS else ""))
        elif part.stem not in ARTICLES or (part.stem in COPULAS and before_slot):
            kept.append(part)
    return tuple(kept or parts)


class _Short(msgspec.Struct, frozen=True):
    """A trigger without its placeholder `slot`, whose choice may stand anywhere before the last placeholder."""

    slot: str
    parts: tuple[_Part, ...]
    literals: frozenset[str]


def _without_choices(parts: tuple[_Part, ...], properties: dict[str, Schema]) -> _Short | None:
    for at, part in enumerate(parts):
        if len(part.slots) == 1 and part.pattern is None and "enum" in properties.get(part.slots[0], {}):
            before = parts[: at - 1] if at and parts[at - 1].stem in PREPOSITIONS else parts[:at]
            rest = (*before, *parts[at + 1 :])
            literals = frozenset(part.stem for part in rest if not part.slots)
            return _Short(part.slots[0], rest, literals) if literals else None
    return None


class _Matcher:
    """Matches the words of a trigger one after the other, trying the shortest value for each placeholder first."""

    def __init__(self, properties: dict[str, Schema], text: str, found: Sequence[Word]) -> None:
        self._properties = properties
        self._text = text
        self._found = found
        self._tries = 0

    def match(self, parts: Sequence[_Part]) -> Fit | None:
        for start in range(len(self._found)):
            fit = self._from(parts, 0, start)
            if fit is not None:
                return fit
            if self._found[start].stem not in EMPTY:
                return None
        return None

    def _from(self, parts: Sequence[_Part], part: int, at: int) -> Fit | None:
        self._tries += 1
        if self._tries > 2000:
            return None
        if part == len(parts):
            return Fit(0.0, sum(word.stem not in EMPTY for word in self._found[at:]), {})
        if at == len(self._found):
            return None
        one = parts[part]
        if one.pattern is not None:
            return self._compound(parts, part, at, one.pattern)
        return self._slot(parts, part, at, one.slots[0]) if one.slots else self._literal(parts, part, at)

    def _literal(self, parts: Sequence[_Part], part: int, at: int) -> Fit | None:
        word = self._found[at]
        if word.stem == parts[part].stem:
            fit = self._from(parts, part + 1, at + 1)
            return fit and fit.plus(1, {}, [at])
        # A filler may stand between the words of a trigger, never something that it does not mean.
        return self._from(parts, part, at + 1) if part and word.stem in ARTICLES | COURTESY else None

    def _compound(self, parts: Sequence[_Part], part: int, at: int, pattern: re.Pattern[str]) -> Fit | None:
        one = parts[part]
        groups = pattern.fullmatch(self._found[at].raw.rstrip(",;:!?").removesuffix("."))
        if groups is not None:
            pairs = zip(one.slots, groups.groups(), strict=True)
            values = {name: value_of(text, self._properties.get(name, {})) for name, text in pairs}
            fit = None if None in values.values() else self._from(parts, part + 1, at + 1)
            exact = 1 + len(pattern.pattern) / 1000  # `a...b` is no `a..` with `.b`
            return fit and fit.plus(exact, values, [at])
        return self._from(parts, part, at + 1) if self._found[at].stem in EMPTY or part == 1 else None

    def _slot(self, parts: Sequence[_Part], part: int, at: int, name: str) -> Fit | None:
        schema = self._properties.get(name, {})
        if not is_free(schema) or takes_one_word(schema):
            return self._typed(parts, part, at, name, schema)
        if parts[part].after and self._found[at].stem == parts[part].after and at + 1 < len(self._found):
            at += 1
        if part == len(parts) - 1:
            start = self._found[at].start
            value = value_of(rest_of(self._text, start), schema)
            spans = frozenset(((start, len(self._text)),))
            return None if value in (None, "") else Fit(0.25, 0, {name: value}, tail=(name, start), spans=spans)
        for end in range(at + 1, len(self._found)):
            value = value_of(self._text[self._found[at].start : self._found[end - 1].end].strip(" ,;:"), schema)
            fit = None if value in (None, "") else self._from(parts, part + 1, end)
            if fit is not None:
                span = (self._found[at].start, self._found[end - 1].end)
                fit = fit.plus(0.25, {name: value}, range(at, end))
                return msgspec.structs.replace(fit, spans=fit.spans | {span})
        return None

    def _typed(self, parts: Sequence[_Part], part: int, at: int, name: str, schema: Schema) -> Fit | None:
        """A number, a choice or one word; an article may stand before it. `this project` is the parameter's default."""
        if takes_one_word(schema) and len(parts) > 2 and self._found[at].plain.lower() in _HERE:
            end = min(at + 2, len(self._found))
            fit = self._from(parts, part + 1, end)
            return fit and fit.plus(0.5, {}, range(at, end))
        longest = min(_LONGEST_CHOICE if "enum" in schema else 1, len(self._found) - at)
        for size in range(longest, 0, -1):
            value = typed_value(self._found[at : at + size], schema)
            if value is None or (takes_one_word(schema) and not self._names(parts, self._found[at])):
                continue
            fit = self._from(parts, part + 1, at + size)
            if fit is not None:
                return fit.plus(_evidence(name, value), {name: value}, range(at, at + size))
        return self._from(parts, part, at + 1) if part and _announces(self._found[at], name) else None

    def _names(self, parts: Sequence[_Part], word: Word) -> bool:
        """Whether one word may be the value: after a lone word, as in `review {head}`, only what looks like a name."""
        if word.stem in EMPTY or word.plain.lower() in _PLACES:
            return False
        return len(parts) > 2 or _NAME_LIKE.search(word.plain) is not None


def _announces(word: Word, name: str) -> bool:
    """An article, or `repository` before a directory: the value comes after it."""
    return word.stem in ARTICLES or (is_place(name) and word.plain.lower() in (*_PLACES, "at"))


def is_place(name: str) -> bool:
    """Whether a parameter of that name takes a file or a directory."""
    return name.lower().split("_")[-1] in _PLACES


def _evidence(name: str, value: Any) -> float:
    """How much a value alone says for its placeholder: `/tmp` is a directory, `main` rather something else."""
    if not isinstance(value, str):
        return 0.75
    return 0.75 if is_place(name) is (_PATH_LIKE.search(value) is not None) else 0.5


def typed_value(found: Sequence[Word], schema: Schema) -> Any | None:
    """The value of one to three words."""
    text = " ".join(word.raw for word in found)
    value = value_of(text.rstrip(",;:!?").removesuffix(".") or text, schema)
    return _by_stem(found[0].stem, schema) if value is None and "enum" in schema and len(found) == 1 else value


def rest_of(text: str, start: int) -> str:
    """The text from there on; after a colon as it is, else without a closing courtesy and punctuation."""
    before = text[:start].rstrip()
    quoted = before.endswith((":", "?")) or text[start:].lstrip().startswith(":")
    rest = text[start:].strip().lstrip(":").strip()
    if quoted:
        return rest
    rest = re.sub(r"[\s,]+(please|thanks|thank you)[.!]*$", "", rest, flags=re.IGNORECASE)
    rest = rest.removesuffix("?") if _ASKING.match(text.lstrip()) or not _ASKING.match(rest) else rest
    return rest.rstrip(",;?!.") or rest if len(rest.split()) == 1 else rest
