"""What can be seen of a prompt without knowing its words: how long, how many numbers, what is asked, which options."""

import re
from collections import Counter
from collections.abc import Sequence
from math import log1p

_OPTION = re.compile(r"\n\(?[A-H][.)] ?([^\n]*)")
_NUMERIC = re.compile("[-+\u2013]?[\\d.,$%/\u00b0 ]*\\d[\\d.,$%/\u00b0 ]*\\w{0,3}\\.?")
_CAPITALS = re.compile(r"[A-Z]")
_NEGATED = frozenset({"not", "except", "least", "never", "cannot", "incorrect", "false"})
_COMPARING = frozenset({
    "if", "than", "each", "every", "twice", "half", "times", "per", "more", "less", "fewer", "percent", "total", "left",
    "remaining", "double", "triple", "third", "quarter", "rest", "another", "both", "same", "different", "between",
    "after", "before", "until", "while",
})  # fmt: skip
_HEDGING = frozenset({
    "most", "best", "likely", "primarily", "mainly", "generally", "usually", "probably", "should", "would", "could",
    "might",
})  # fmt: skip
_PERSONS = frozenset({"i", "me", "my", "he", "she", "his", "her", "they", "their", "him", "them", "you", "your"})
_OPENINGS = {
    "which": 0.0, "what": 1.0, "how": 2.0, "why": 3.0, "who": 4.0, "when": 5.0, "where": 6.0, "if": 7.0, "the": 8.0,
    "a": 9.0, "in": 10.0, "this": 11.0, "for": 12.0, "statement": 13.0, "according": 14.0,
}  # fmt: skip
_OPERATORS = frozenset("=+*/^<>|{}[]\u00d7\u00f7\u00b1\u221a\u2211\u222b\u2212\u2208\u2264\u2265")

_KINDS = {
    **dict.fromkeys(_COMPARING, "comparing"), **dict.fromkeys(_HEDGING, "hedging"),
    **dict.fromkeys(_PERSONS, "person"), **dict.fromkeys(_OPERATORS, "operator"),
}  # fmt: skip

NAMES = (
    "characters", "words", "question characters", "question words", "numbers", "numbers per word", "largest number",
    "different numbers", "decimals", "operators", "operators per word", "capitals", "quotation marks", "commas",
    "full stops", "question marks", "lines", "money", "percent", "signs beyond ASCII", "mean word length",
    "longest word", "different words", "long words", "options", "mean option length", "longest option",
    "shortest option", "spread of options", "numeric options", "negation", "gaps to fill", "ends with a colon",
    "ends with a question mark", "opening word", "comparing words", "hedging words", "persons", "parentheses",
    "sentence length", "all or none of the options", "apostrophes",
)  # fmt: skip


def surface(question: str, tokens: Sequence[str], counts: Counter[str] | None = None) -> list[float]:
    """One number for each of `NAMES`; counts are logarithms, so that a few of a thing differ and many do not.

    Args:
        question: of the prompt.
        tokens: of the question.
        counts: how often each of them occurs, and whatever else that is none, where that is there already.
    """
    words = list(filter(str.isalpha, tokens))
    numbers = [token for token in tokens if token[0].isdigit()]
    first = _OPTION.search(question)
    options = _OPTION.findall(question, first.start()) if first else []
    asked = question[: first.start()] if first else question
    count, size = len(words) or 1, len(question)
    found = (Counter(tokens) if counts is None else counts).__getitem__
    seen = frozenset(words)
    lengths = list(map(len, words)) or [0]
    kinds = Counter(filter(None, map(_KINDS.get, tokens)))
    operators = kinds["operator"]
    stops = question.count(". ") + question.count(".\n") + asked.count("?") + 1
    return [
        log1p(size), log1p(len(words)), log1p(len(asked)), log1p(asked.count(" ")), log1p(len(numbers)),
        len(numbers) / count, _largest(numbers), log1p(len(set(numbers))), float(any("." in n for n in numbers)),
        log1p(operators), operators / count, log1p(len(_CAPITALS.findall(asked))),
        log1p(found('"') + found("\u201c")), log1p(found(",")), log1p(asked.count(".")), log1p(found("?")),
        log1p(question.count("\n")), log1p(found("$")), log1p(found("%")), log1p(_beyond_ascii(question)),
        sum(lengths) / count, log1p(max(lengths)), len(seen) / count,
        len([length for length in lengths if length > 8]) / count, *_options(options),
        float(not _NEGATED.isdisjoint(seen)), log1p(asked.count("_")), float(asked.rstrip().endswith(":")),
        float(asked.rstrip().endswith("?")), _opening(tokens), log1p(kinds["comparing"]),
        log1p(kinds["hedging"]), log1p(kinds["person"]),
        log1p(found("(")), log1p(count / stops), _sweeping(question) if options else 0.0,
        log1p(found("'") + found("\u2019")),
    ]  # fmt: skip


def _options(options: Sequence[str]) -> tuple[float, ...]:
    """How many, their mean, longest and shortest length, how far those are apart, how many are numbers."""
    if not options:
        return (0.0,) * 6
    lengths = list(map(len, options))
    mean = sum(lengths) / len(lengths)
    numeric = sum(len(one) < 40 and _NUMERIC.fullmatch(one) is not None for one in options) / len(options)
    spread = (max(lengths) - min(lengths)) / (1 + mean)
    return float(len(options)), log1p(mean), log1p(max(lengths)), log1p(min(lengths)), spread, numeric


def _largest(numbers: Sequence[str]) -> float:
    """Of numbers, by the logarithm; one with too many digits counts as their number says."""
    digits = max((number.replace(",", "").partition(".")[0] for number in numbers), key=_size, default="0")
    return log1p(int(digits)) if len(digits) < 16 and digits.isdecimal() else 2.3 * len(digits)


def _size(digits: str) -> tuple[int, str]:
    return len(digits), digits


def _beyond_ascii(question: str) -> int:
    return 0 if question.isascii() else len(question) - len(question.encode("ascii", "ignore"))


def _opening(tokens: Sequence[str]) -> float:
    return _OPENINGS.get(tokens[0], 15.0) if tokens else 0.0


def _sweeping(question: str) -> float:
    lowered = question.lower()
    return float(any(f"{word} of the" in lowered for word in ("all", "none", "both", "neither")))
