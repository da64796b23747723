"""Which tool a user's text means: by trigger phrases first, then by the words of names and descriptions."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from emonk.models.offline.arguments import Finder, head_of
from emonk.models.offline.triggers import Fit, Trigger
from emonk.models.offline.words import EMPTY, Speller, Word, pieces, stem, words
from emonk.models.protocol import ToolLike

# Chosen on the sentences of the tests: what is below says too much that no tool knows.
_THRESHOLD = 0.4

# What only a language model can make use of: instructions to follow.
_FOR_MODELS = frozenset({"load_skill"})
_NEAR = 0.9
_NAME, _DESCRIPTION, _PARAMETER = 1.0, 0.6, 0.3


class Plan(msgspec.Struct, frozen=True):
    """A tool that the text means, its arguments, and the required ones that the text does not give."""

    tool: ToolLike
    arguments: dict[str, Any]
    missing: tuple[str, ...]


class _Entry:
    """A tool, prepared for matching."""

    def __init__(self, tool: ToolLike) -> None:
        self.tool = tool
        self.schema = tool.parameters
        properties: dict[str, Any] = self.schema.get("properties", {})
        self.triggers = [Trigger(phrase, properties) for phrase in tool.triggers]
        self.weights: dict[str, float] = {}
        choices = [str(choice) for schema in properties.values() for choice in schema.get("enum", ())]
        self._weigh(_PARAMETER, [*properties, *choices])
        self._weigh(_DESCRIPTION, [tool.description.partition("\n\n")[0]])
        self._weigh(_NAME, [tool.name])
        for trigger in self.triggers:
            self.weights |= dict.fromkeys((word for word in trigger.literals if word not in EMPTY), _NAME)
        self.choices = {piece for choice in choices for piece in pieces(choice)}

    def _weigh(self, weight: float, texts: Sequence[str]) -> None:
        for text in texts:
            self.weights |= dict.fromkeys((word for word in pieces(text) if word not in EMPTY), weight)

    def strong(self) -> set[str]:
        return {word for word, weight in self.weights.items() if weight >= _NAME} | self.choices


class Catalogue:
    """The tools of an agent, prepared once; `offered` are those that the planner chooses from."""

    def __init__(self, tools: Sequence[ToolLike]) -> None:
        self.tools = tuple(tools)
        self.offered = tuple(tool for tool in tools if tool.name not in _FOR_MODELS)
        self._entries = [_Entry(tool) for tool in self.offered]
        known = {word for entry in self._entries for word in entry.weights}
        strong = {word for entry in self._entries for word in entry.strong()}
        self._speller = Speller(strong | EMPTY, known)
        names = {name for entry in self._entries for name in entry.schema.get("properties", {})}
        spelt = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"
        self._assigned = re.compile(rf"(?<!\w)({spelt})=(\"[^\"]*\"|'[^']*'|`[^`]*`|\S+)", re.IGNORECASE)
        self._count = Counter(word for entry in self._entries for word in entry.weights)

    def plans(self, text: str) -> list[Plan]:
        """The tools that the text means: none, one, or several between which it does not decide."""
        command = self._assigned.sub(lambda match: " " * len(match.group()), text)
        found = words(command, self._speller)
        head = head_of(text, found)
        plans = (
            self._by_name(text, found, head) or self._by_trigger(text, found, head) or self._by_words(text, found, head)
        )
        complete = [plan for plan in plans if not plan.missing]
        return complete if len(complete) == 1 else plans

    def _by_name(self, text: str, found: list[Word], head: list[Word]) -> list[Plan]:
        """The name itself, as no sentence has it: `check_post platform=x`."""
        said = {word.plain for word in head if "_" in word.plain}
        named = [entry for entry in self._entries if entry.tool.name in said]
        return [self._plan(entry, text, found, {}, frozenset((stem(entry.tool.name),))) for entry in named]

    def _by_trigger(self, text: str, found: list[Word], head: list[Word]) -> list[Plan]:
        fits: list[tuple[float, _Entry, Fit]] = []
        said = {word.stem for word in found}
        for entry in self._entries:
            best = max(
                (fit for trigger in entry.triggers if (fit := trigger.fit(text, found, said)) is not None),
                key=lambda fit: (fit.weight, -fit.left),
                default=None,
            )
            if best is not None and best.weight >= _THRESHOLD * (best.weight + min(best.left, len(head))):
                fits.append((best.weight - 0.1 * best.left, entry, best))
        top = max((score for score, _, _ in fits), default=0.0)
        return [
            self._plan(entry, text, found, fit.arguments, frozenset(found[at].stem for at in fit.words))
            for score, entry, fit in fits
            if score >= top - 0.2
        ]

    def _by_words(self, text: str, found: list[Word], head: list[Word]) -> list[Plan]:
        said = {word.stem for word in head if word.stem not in EMPTY and not word.plain.isdigit()}
        if not said:
            return []
        scores = [(self._score(entry, said), entry) for entry in self._entries]
        top = max((score for score, _ in scores), default=0.0)
        if top < _THRESHOLD:
            return []
        chosen = [entry for score, entry in scores if score >= top * _NEAR]
        return [self._plan(entry, text, found, {}, frozenset(entry.weights)) for entry in chosen]

    def _score(self, entry: _Entry, said: set[str]) -> float:
        """The share of what was said that the tool knows, rare words counting more; 0 without a word of weight."""
        if not any(entry.weights.get(word, 0.0) >= _NAME for word in said):
            return 0.0
        total = sum(self._rarity(word) for word in said)
        return sum(entry.weights.get(word, 0.0) * self._rarity(word) for word in said) / total

    def _rarity(self, word: str) -> float:
        return math.log(1 + (len(self._entries) + 2) / (self._count[word] or 0.5))

    def _plan(
        self, entry: _Entry, text: str, found: list[Word], arguments: dict[str, Any], used: frozenset[str]
    ) -> Plan:
        finder = Finder(entry.schema, text, found, arguments)
        return Plan(entry.tool, finder.find(used), tuple(finder.missing()))
