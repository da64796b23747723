"""The learned classifier: how much a prompt needs the lead, from prompts whose outcome is known."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import exp, sqrt
from os import PathLike
from typing import Self, cast

import msgspec

from emonk.errors import InvalidConfig
from emonk.routing import prior, trees
from emonk.routing.features import NAMES, surface
from emonk.routing.model_file import Parameters, read_model, write_model
from emonk.routing.tokens import checked, question_of, tokens_of
from emonk.routing.wording import Table, counted
from emonk.routing.wording_training import train_wording

LEAD_SHARE = 0.7
"""The part of prompts above the threshold where nothing else is asked for: about 30 % cheaper than the lead alone."""

PENALTY = 3.0
PIECES = 0.5
WORDS = 0.85
"""How far words are believed where there are many prompts; trees are grown on what that leaves."""
SHAPE = trees.Shape()
CROSS_FITTED, CROSS_FOLDS = 2000, 3
"""Up to so many prompts the threshold is set by scores of prompts that were not trained on, in so many parts; what more
prompts score is hardly changed by their own labels, and to learn several times would take long."""

Seen = tuple[list[str], list[float]]
"""The tokens of a prompt, and its features."""

Told = Callable[[float], object]
"""Hears the part that is done."""


class Part(msgspec.Struct, frozen=True):
    """What something in a prompt adds to its score, or takes from it."""

    name: str
    value: float


class Classifier:
    """Scores a prompt: the higher, the more it needs the lead.

    The score is an estimate of the part of such prompts whose label was true, and may lie a little outside 0 to 1. A
    linear model of words has its say, and boosted trees over what can be seen without knowing words (lengths, numbers,
    options), which have learnt where words err; to that come signs that a prompt is hard whatever was learnt. Where
    rows are few the signs count more and the trees less.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._unknown: Table = {}
        few = prior.few(parameters.rows)
        self._words_say = WORDS + (1 - WORDS) * few
        self._trees_say = 1 - few

    @property
    def parameters(self) -> Parameters:
        """All that it knows, as its file keeps it."""
        return self._parameters

    @property
    def threshold(self) -> float:
        """From this score on a prompt goes to the lead."""
        return self._parameters.threshold

    @property
    def rows(self) -> int:
        """How many prompts it was trained on."""
        return self._parameters.rows

    @classmethod
    def train(
        cls, pairs: Iterable[tuple[str, bool]], *, lead_share: float = LEAD_SHARE, told: Told | None = None
    ) -> Self:
        """Learn from prompts, each with whether it needs the lead; the order of the pairs does not matter.

        Args:
            pairs: such as `("Prove that ...", True)`.
            lead_share: the part of such prompts that shall lie above the threshold.
            told: is called now and then with the part that is done.

        Raises:
            InvalidConfig: no pairs, all of one label, an empty prompt, a label that is no bool, or such a share.
        """
        known = sorted(_read(pairs))
        labels = {label for _, label in known}
        if len(labels) < 2:
            raise InvalidConfig(_one_sided(labels), hint="it takes prompts that need the lead and prompts that do not")
        if not 0 <= lead_share <= 1:
            raise InvalidConfig(f"lead_share is {lead_share:.6g}, not from 0 to 1")
        prompts, target = [prompt for prompt, _ in known], [float(label) for _, label in known]
        return cls._fit(prompts, target, lead_share, told or (lambda _: None))

    @classmethod
    def _fit(cls, prompts: Sequence[str], target: Sequence[float], lead_share: float, told: Told) -> Self:
        seen = [_look(prompt) for prompt in prompts]
        parameters = _learn(seen, target, told)
        if len(prompts) > CROSS_FITTED:
            made = cls(parameters)
            scores = [made._scored(one) for one in seen]
        else:
            scores = [0.0] * len(seen)
            for part in range(min(CROSS_FOLDS, len(seen))):
                others = [place for place in range(len(seen)) if place % CROSS_FOLDS != part]
                without = cls(_learn([seen[one] for one in others], [target[one] for one in others], told))
                for place in range(part, len(seen), CROSS_FOLDS):
                    scores[place] = without._scored(seen[place])
        return cls(msgspec.structs.replace(parameters, threshold=bound_for(scores, lead_share)))

    def score(self, text: str) -> float:
        """The higher, the more it needs the lead."""
        question = question_of(text)
        tokens = tokens_of(question)
        counts = counted(tokens)
        return self._scored((tokens, surface(question, tokens, counts)), counts)

    def explain(self, text: str) -> list[Part]:
        """What makes the score of a prompt, the weightiest first; the parts add up to it."""
        tokens, features = _look(text)
        own, say = self._parameters, self._words_say
        words = own.wording.parts(tokens)
        found = [Part(f'"{word}"', value * say) for word, value in words.items()]
        seen = {NAMES[place]: value * self._trees_say for place, value in trees.parts(own.trees, features).items()}
        for sign, value in zip(prior.SIGNS, prior.parts(own.signs, tokens, features), strict=True):
            seen[sign] = seen.get(sign, 0.0) + value
        found += [Part(name, value) for name, value in seen.items()]
        found.sort(key=lambda part: -abs(part.value))
        return [*found, Part("every prompt", self.score(text) - sum(part.value for part in found))]

    def top(self, count: int = 10) -> tuple[list[Part], list[Part]]:
        """What speaks most for the lead and what most against it, of words alone; and the features that are asked most.

        Words that say much and occur often come first. The value of one is its weight, that of a feature how much it
        changes scores.
        """
        own = self._parameters
        rows = own.rows + 1
        often = {term: rows / exp(sqrt(said.imag) - 1) - 1 for term, said in own.wording.terms.items()}
        ordered = sorted(own.wording.terms.items(), key=lambda one: (-one[1].real * sqrt(often[one[0]]), one[0]))
        words = [Part(f'"{term}"', said.real) for term, said in ordered]
        asked = {NAMES[place]: value * self._trees_say for place, value in trees.importance(own.trees).items()}
        for name, sign in zip(prior.SIGNS, own.signs, strict=True):
            asked[name] = asked.get(name, 0.0) + sign.adds
        seen = [Part(name, value) for name, value in asked.items()]
        return [*words[:count], *words[-count:]], sorted(seen, key=lambda part: -part.value)[:count]

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file, whole or not at all.

        Raises:
            InvalidConfig: the file cannot be written.
        """
        write_model(self._parameters, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            InvalidConfig: it is not there, or not such a file, or damaged, or of another version.
        """
        return cls(read_model(path))

    def _scored(self, seen: Seen, counts: Counter[str] | None = None) -> float:
        tokens, features = seen
        own = self._parameters
        signs = sum(prior.parts(own.signs, tokens, features))
        words = self._words_say * own.wording.score(tokens, counts, self._unknown)
        return own.mean + words + self._trees_say * trees.predict(own.trees, features) + signs


def _look(prompt: str) -> Seen:
    question = question_of(prompt)
    tokens = tokens_of(question)
    return tokens, surface(question, tokens)


def _learn(seen: Sequence[Seen], target: Sequence[float], told: Told) -> Parameters:
    """All but the threshold."""
    tokens, features = [words for words, _ in seen], [numbers for _, numbers in seen]
    mean = sum(target) / len(target)
    rest = [value - mean for value in target]
    learnt = train_wording(tokens, rest, penalty=PENALTY, pieces=PIECES, told=lambda part: told(part * 0.8))
    left = [value - WORDS * said for value, said in zip(rest, learnt.unseen, strict=True)]
    return Parameters(
        rows=len(seen),
        mean=mean,
        signs=prior.weigh_signs(tokens, features, prior.deviation(target)),
        wording=learnt.wording,
        trees=trees.grow(features, left, SHAPE, told=lambda part: told(0.8 + part * 0.2)),
    )


def bound_for(scores: Sequence[float], share: float) -> float:
    """The score that this part of the scores reaches: halfway to the next, so that none lies on the edge."""
    ordered = sorted(scores, reverse=True)
    place = round(share * len(ordered))
    if place <= 0:
        return ordered[0] + 1.0
    return (ordered[place - 1] + ordered[min(place, len(ordered) - 1)]) / 2


def _read(pairs: Iterable[tuple[str, bool]]) -> Iterable[tuple[str, bool]]:
    for place, pair in enumerate(pairs, start=1):
        given = cast("object", pair)
        if not isinstance(given, tuple | list) or len(cast("Sequence[object]", given)) != 2:
            raise InvalidConfig(f"pair {place} is no pair of a prompt and a label")
        prompt, label = cast("Sequence[object]", given)
        yield checked(prompt, f"pair {place}"), _label(label, place)


def _label(label: object, place: int) -> bool:
    """A bool, or what a numerical library has for one."""
    plain: object = getattr(label, "item", lambda: label)() if type(label).__name__ in {"bool", "bool_"} else label
    if not isinstance(plain, bool):
        raise InvalidConfig(f"pair {place}: the label is {label!r:.40}, neither true nor false")
    return plain


def _one_sided(labels: set[bool]) -> str:
    if not labels:
        return "there is nothing to learn from"
    return f"there is nothing to learn: {'every' if True in labels else 'no'} row needs the lead"
