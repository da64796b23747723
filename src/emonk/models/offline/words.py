"""Words of a user's text: where they are, their stems, and which known word a misspelt one was meant to be."""

import re
from collections.abc import Iterable

import msgspec

# Only the beginning of a text is a command; what follows is at most a value, taken as it is.
MAX_WORDS = 80

_TOKEN = re.compile(r"\S+")
EDGES = "\"'`\u201c\u201d\u2018\u2019()[]{}<>.,;:!?*"
_SUFFIXES = ("ings", "ing", "ed", "es", "s", "e")


class Word(msgspec.Struct, frozen=True):
    """One word of a text: `text[start:end]` with its punctuation, `plain` without, `stem` as known words are kept."""

    start: int
    end: int
    raw: str
    plain: str
    stem: str


def stem(word: str) -> str:
    """A crude stem: enough that reviews, reviewed and reviewing are one word, and analysis is analyze."""
    word = word.lower().removesuffix("'s").removesuffix("\u2019s")
    if word.endswith("ysis"):
        return word[:-4] + "yz"
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith(("ss", "us", "is")):
            word = word.removesuffix(suffix)
            break
    return word[:-2] + "yz" if word.endswith("ys") and len(word) > 4 else word


def pieces(text: str) -> list[str]:
    """The stems of a name or a description, split at whatever is no letter or digit."""
    return [stem(word) for word in re.findall(r"[^\W_]+", text)]


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, text.split()))


ARTICLES = _stems("the a an this that these those my our your me us some any please just now is are be following below")
COURTESY = _stems(
    "please thanks thank you can could would will hi hello hey ok okay so and then let lets i we want need like to now"
    " kindly help again carefully thoroughly quickly briefly"
)
COPULAS = _stems("is are be")
PREPOSITIONS = _stems("for about on in at of to from with by into against between and or as using via")
_SMALL = _stems(
    "what whats how why when where who which does did do done it its i'm im i'd i've we'd there here was were has have"
    " had am if but not no yes yet good morning evening day tell show give get make use run"
)
STOP = _stems("cancel stop nevermind never forget")
EMPTY = ARTICLES | COURTESY | PREPOSITIONS | _SMALL


class Speller:
    """Known stems, found again through one typing error: a letter more, less, wrong, or two swapped."""

    def __init__(self, targets: Iterable[str], known: Iterable[str] = ()) -> None:
        self._known = frozenset(known)
        self._targets = frozenset(targets)
        self._cuts: dict[str, str] = {}
        for target in sorted(self._targets, reverse=True):
            for cut in _cuts(target):
                self._cuts[cut] = target

    def stem(self, word: str) -> str:
        found = stem(word)
        if found in self._targets or found in self._known or len(found) < 3 or len(found) > 24:
            return found
        for cut in _cuts(found):
            target = self._cuts.get(cut)
            if target is not None and _near(found, target):
                return target
        return found


def words(text: str, speller: Speller) -> list[Word]:
    """The first words of a text."""
    found: list[Word] = []
    for match in _TOKEN.finditer(text):
        raw = match.group()
        plain = raw.strip(EDGES) or raw
        found.append(Word(match.start(), match.end(), raw, plain, speller.stem(plain)))
        if len(found) == MAX_WORDS:
            break
    return found


def _cuts(word: str) -> list[str]:
    return [word, *(word[:at] + word[at + 1 :] for at in range(len(word)))]


def _near(word: str, target: str) -> bool:
    """One typing error apart. Short words must keep their letters, all words their first one or the first two."""
    if sorted(word) == sorted(target):
        wrong = [at for at, (one, other) in enumerate(zip(word, target, strict=True)) if one != other]
        return len(wrong) == 2 and wrong[1] == wrong[0] + 1
    if word[0] != target[0] or min(len(word), len(target)) < 4:
        return False
    if len(word) == len(target):
        return len(word) >= 5 and sum(one != other for one, other in zip(word, target, strict=True)) == 1
    longer, shorter = sorted((word, target), key=len, reverse=True)
    return shorter in _cuts(longer)
