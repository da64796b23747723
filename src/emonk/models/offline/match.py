"""Which tool a user's text means: by trigger phrases first, then by the words of names and descriptions."""

import math
import re
from collections import Counter
from collections.abc import Sequence, Set
from typing import Any

import msgspec

from emonk.models.offline.arguments import Finder, head_of
from emonk.models.offline.assignments import Assignment, assignments, blanked
from emonk.models.offline.triggers import Fit, Trigger
from emonk.models.offline.values import value_of
from emonk.models.offline.words import EMPTY, PREPOSITIONS, STOP, Speller, Word, pieces, stem, words
from emonk.models.protocol import ToolLike

# Chosen on the sentences of the tests: what is below says too much that no tool knows.
_THRESHOLD = 0.4

# What only a language model can make use of: instructions to follow.
_FOR_MODELS = frozenset({"load_skill"})
_NEAR = 0.9
_NAME, _DESCRIPTION, _PARAMETER = 1.0, 0.6, 0.3


class Plan(msgspec.Struct, frozen=True):
    """A tool that the text means, its arguments, and the required ones that the text does not give.

    `unexplained` are the words that the call would leave out: then it is not what was asked for. `twice` are parameters
    that the text gives more than one value.
    """

    tool: ToolLike
    arguments: dict[str, Any]
    missing: tuple[str, ...]
    unexplained: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.missing and not self.unexplained and not self.twice


class _Entry:
    """A tool, prepared for matching."""

    def __init__(self, tool: ToolLike) -> None:
        self.tool = tool
        self.schema = tool.parameters
        self.properties: dict[str, Any] = self.schema.get("properties", {})
        properties = self.properties
        self.triggers = [Trigger(phrase, properties) for phrase in tool.triggers]
        self.weights: dict[str, float] = {}
        choices = [str(choice) for schema in properties.values() for choice in schema.get("enum", ())]
        self._weigh(_PARAMETER, [*properties, *choices])
        self._weigh(_DESCRIPTION, [summary(tool.description)])
        self._weigh(_NAME, [tool.name])
        own = {piece for name in properties for piece in pieces(name)} - set(pieces(tool.name))
        self.vocabulary = frozenset(word for word, weight in self.weights.items() if weight > _PARAMETER) - own
        for trigger in self.triggers:
            self.weights |= dict.fromkeys((word for word in trigger.literals if word not in EMPTY), _NAME)
        stated = {piece for limit in limits(tool.description) for piece in pieces(limit)}
        self.refused = frozenset(stated - EMPTY - self.weights.keys())
        self.choices = {piece for choice in choices for piece in pieces(choice)}

    def _weigh(self, weight: float, texts: Sequence[str]) -> None:
        for text in texts:
            self.weights |= dict.fromkeys((word for word in pieces(text) if word not in EMPTY), weight)

    def explained(self, said: "_Said", used: frozenset[str], arguments: Set[str]) -> frozenset[str]:
        """The stems that this tool accounts for: its description's, and those of a whole trigger in any order."""
        stems = {word.stem for word in said.head} | EMPTY
        whole = [one.literals for one in self.triggers if one.slots <= arguments and one.literals <= stems]
        return self.vocabulary.union(used, [stem(self.tool.name)], *whole)

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
        self._count = Counter(word for entry in self._entries for word in entry.weights)

    def plans(self, text: str) -> list[Plan]:
        """The tools that the text means: none, one, or several between which it does not decide."""
        said = self._said(text)
        plans = self._by_name(said) or self._by_trigger(said) or self._by_words(said)
        for fitting in ([plan for plan in plans if plan.ready], [plan for plan in plans if not plan.missing]):
            if len(fitting) == 1:
                return fitting
        return plans

    def _said(self, text: str) -> "list[_Said]":
        """What the text says to each of the tools: an assignment is one only to a tool that has the parameter."""
        plain = self._without(text, [])
        return [self._said_to(entry, plain) for entry in self._entries]

    def _said_to(self, entry: _Entry, said: "_Said") -> "_Said":
        """An assignment counts where no placeholder of a trigger covers it: there it is a part of that value."""
        counted: list[Assignment] = []
        for one in assignments(said.text, entry.properties):
            fit = _best_fit(entry, said)
            if fit is None or not fit.covers(one.start):
                counted.append(one)
                said = self._without(said.text, counted)
        return said

    def _without(self, text: str, given: list[Assignment]) -> "_Said":
        command = blanked(text, given)
        found = words(command, self._speller)
        return _Said(text, command, found, head_of(command, found), tuple(given))

    def continued(self, plan: Plan, text: str) -> Plan:
        """The plan with what an answer gives of the arguments that it misses."""
        found = words(text, self._speller)
        schema = plan.tool.parameters
        known = dict(plan.arguments)
        given = assignments(text, schema.get("properties", {}))
        if given:
            said = self._without(text, given)
            finder = Finder(schema, text, said.command, said.found, known=known, given=given)
            twice = _twice(known, given)
            arguments = finder.find(frozenset())
            return Plan(plan.tool, arguments, tuple(finder.missing()), finder.unexplained(frozenset()), twice)
        if len(plan.missing) == 1 and found and found[0].stem not in PREPOSITIONS:
            value = value_of(text, schema["properties"][plan.missing[0]])
            known |= {} if value in (None, "") else {plan.missing[0]: value}
        finder = Finder(schema, text, text, found, known=known)
        arguments = known if len(known) > len(plan.arguments) else finder.find(frozenset())
        return Plan(plan.tool, arguments, tuple(finder.missing()))

    def means_little(self, text: str) -> bool:
        """Courtesies and small words only, or a wish to stop."""
        stems = {word.stem for word in words(text, self._speller)}
        return not stems - EMPTY or bool(stems & STOP)

    def commands(self, text: str) -> bool:
        """Whether the text is a whole request of its own, in the words of a trigger."""
        said = self._said(text)
        return any(plan.ready for plan in self._by_name(said) or self._by_trigger(said))

    def refusals(self, text: str, plans: Sequence[Plan]) -> list[ToolLike]:
        """The tools that say of themselves that they do not do what the text asks for."""
        said = {stem(word) for plan in plans for word in plan.unexplained}
        if not plans:
            said = {word.stem for word in head_of(text, words(text, self._speller))}
        return [entry.tool for entry in self._entries if entry.refused & said]

    def _by_name(self, said: "Sequence[_Said]") -> list[Plan]:
        """The name itself, as no sentence has it: `check_post platform=x`."""
        return [
            _plan(entry, one, Fit(0, 0, {}), frozenset((stem(entry.tool.name),)))
            for entry, one in zip(self._entries, said, strict=True)
            if "_" in entry.tool.name and any(word.plain == entry.tool.name for word in one.head)
        ]

    def _by_trigger(self, said: "Sequence[_Said]") -> list[Plan]:
        pairs = zip(self._entries, said, strict=True)
        fits = [(entry, one, fit) for entry, one in pairs if (fit := _best_fit(entry, one)) is not None]
        top = max((_rank(fit) for _, _, fit in fits), default=0.0)
        return [
            _plan(entry, one, fit, frozenset(one.found[at].stem for at in fit.words))
            for entry, one, fit in fits
            if _rank(fit) >= top - 0.2
        ]

    def _by_words(self, said: "Sequence[_Said]") -> list[Plan]:
        """Of tools that fit as well, those that have the most of the parameters that are assigned."""
        scores = [
            (self._score(entry, stems), entry, one)
            for entry, one in zip(self._entries, said, strict=True)
            if (stems := {word.stem for word in one.head if word.stem not in EMPTY and not word.plain.isdigit()})
        ]
        top = max((score for score, _, _ in scores), default=0.0)
        if top < _THRESHOLD:
            return []
        near = [(entry, one) for score, entry, one in scores if score >= top * _NEAR]
        most = max(len(one.given) for _, one in near)
        return [
            _plan(entry, one, Fit(0, 0, {}), frozenset(entry.weights)) for entry, one in near if len(one.given) == most
        ]

    def _score(self, entry: _Entry, said: set[str]) -> float:
        """The share of what was said that the tool knows, rare words counting more; 0 without a word of weight."""
        if not any(entry.weights.get(word, 0.0) >= _NAME for word in said):
            return 0.0
        total = sum(self._rarity(word) for word in said)
        return sum(entry.weights.get(word, 0.0) * self._rarity(word) for word in said) / total

    def _rarity(self, word: str) -> float:
        return math.log(1 + (len(self._entries) + 2) / (self._count[word] or 0.5))


class _Said(msgspec.Struct, frozen=True):
    """What the user wrote; `command` is the text with blanks for what is `given`, `found` and `head` are its words."""

    text: str
    command: str
    found: list[Word]
    head: list[Word]
    given: tuple[Assignment, ...] = ()


def _best_fit(entry: _Entry, said: _Said) -> Fit | None:
    stems = {word.stem for word in said.found}
    fits = [fit for trigger in entry.triggers if (fit := trigger.fit(said.command, said.found, stems)) is not None]
    best = max(fits, key=lambda fit: (fit.weight, -fit.left), default=None)
    enough = best is not None and best.weight >= _THRESHOLD * (best.weight + min(best.left, len(said.head)))
    return best if enough else None


def _rank(fit: Fit) -> float:
    return fit.weight - 0.1 * fit.left


def _plan(entry: _Entry, said: _Said, fit: Fit, used: frozenset[str]) -> Plan:
    taken = frozenset(said.found[at] for at in fit.words)
    finder = Finder(
        entry.schema,
        said.text,
        said.command,
        said.found,
        known=fit.arguments,
        taken=taken,
        tail=fit.tail,
        given=said.given,
        covers=fit.covers,
    )
    arguments = finder.find(used)
    known = entry.explained(said, used if fit.words else frozenset(), arguments.keys())
    twice = _twice(fit.arguments, said.given)
    return Plan(entry.tool, arguments, tuple(finder.missing()), finder.unexplained(known), twice)


def _twice(known: dict[str, Any], given: Sequence[Assignment]) -> tuple[str, ...]:
    """The parameters that are given a value more than once, by assignments or by one beside a placeholder."""
    count = Counter([*known, *(one.name for one in given)])
    return tuple(one.name for one in given if count.pop(one.name, 1) > 1)


def summary(description: str) -> str:
    """What a tool does: the first paragraph."""
    return " ".join(description.partition("\n\n")[0].split())


def limits(description: str) -> list[str]:
    """What a tool says that it does not do: its sentences that begin with "Nothing"."""
    return [one for one in re.split(r"(?<=[.!]) ", " ".join(description.split())) if one.startswith("Nothing ")]
