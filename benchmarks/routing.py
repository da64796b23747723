"""How much quality routing keeps for how much less money: `python benchmarks/routing.py [DIRECTORY] [--seeds N]`.

The directory holds `route_mmlu.jsonl` and `route_gsm8k.jsonl`: prompts with the recorded outcomes of a worker and a
lead (prices 0.24 and 24.7 USD for a million tokens). What is trained is trained on four fifths and judged on the fifth
that it did not see; each seed divides the rows anew, and the median and the range over the seeds are shown.

Rows: random; prompt length; a heuristic after the published description of LiteLLM's complexity router (its dimensions,
weights and bounds; the words it looks for are ours, since the description gives examples only); TF-IDF of words and
pairs with logistic regression (scikit-learn's where it is installed, else our own on the same features; the row says
which); the classifier, its label being that the lead was right and the worker wrong, and that the worker was wrong;
the oracle.

Exits 1 when scoring takes more than 200 microseconds (median of all prompts), a model has more than 5 MB, training
takes more than 60 s of CPU, or the classifier keeps less than its targets.
"""

import argparse
import importlib
import importlib.util
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import exp, log, sqrt
from pathlib import Path
from typing import Any, NamedTuple

from emonk.routing import Classifier
from emonk.routing.evaluate import Figures, Learner, divide, judge, length_scores, oracle_scores, random_figures
from emonk.routing.outcomes import Outcome, read_outcomes

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
FOLDS = 5
EPOCHS, RATE = 8, 4.0
MICROSECONDS, MEGABYTES, SECONDS = 200, 5, 60
TARGETS = {"mmlu": Figures(0.978, 0.66, 0.5), "gsm8k": Figures(0.955, 0.58, 0.0)}
Scorer = Callable[[str], float]


class Dimension(NamedTuple):
    """Words that a heuristic looks for, what they weigh, and how many of them count in part and in full."""

    weight: float
    words: re.Pattern[str]
    some: int = 1
    many: int = 2


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


DIMENSIONS = (
    Dimension(0.30, _words("function", "class", "def", "async", "import", "database", "sql", "python", "code")),
    Dimension(0.25, _words("step by step", "think through", "analy[sz]e", "reason", "explain why", "compare", "prove")),
    Dimension(0.25, _words("architecture", "distributed", "encryption", "protocol", "algorithm", "latency")),
    Dimension(-0.05, _words("what is", "define", "hello", "hi", "thanks", "who is", "when was")),
    Dimension(0.03, re.compile(r"\bfirst\b.*\bthen\b|^\s*\d+\. ", re.IGNORECASE | re.MULTILINE | re.DOTALL)),
    Dimension(0.02, re.compile(r"\?"), some=2, many=4),
)


def heuristic(prompt: str) -> float:
    """After LiteLLM's README of its complexity router; 15 and 400 tokens are short and long, 4 characters a token."""
    tokens = len(prompt) / 4
    score = 0.10 * (-1.0 if tokens < 15 else 1.0 if tokens > 400 else 0.0)
    for dimension in DIMENSIONS:
        found = len(dimension.words.findall(prompt))
        score += dimension.weight * (1.0 if found >= dimension.many else 0.5 if found >= dimension.some else 0.0)
    return score + 1e-9 * len(prompt)  # which of equal ones comes first must not follow from their place in the file


def tfidf(pairs: list[tuple[str, bool]]) -> Scorer:
    """TF-IDF of words and pairs, and logistic regression."""
    try:
        text: Any = importlib.import_module("sklearn.feature_extraction.text")
        linear: Any = importlib.import_module("sklearn.linear_model")
    except ImportError:
        return _own_tfidf(pairs)
    vectors = text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    prompts, labels = zip(*pairs, strict=True)
    model = linear.LogisticRegression(max_iter=300).fit(vectors.fit_transform(prompts), labels)
    return lambda prompt: float(model.decision_function(vectors.transform([prompt]))[0])


def _by() -> str:
    return "scikit-learn" if importlib.util.find_spec("sklearn") else "own"


def _own_tfidf(pairs: list[tuple[str, bool]]) -> Scorer:
    """The same by stochastic gradient descent, C = 1 as there: the loss of all rows and half of the squared weights."""
    words = [Counter(_terms(prompt)) for prompt, _ in pairs]
    frequency = Counter(term for counted in words for term in counted)
    idf = {term: log((1 + len(pairs)) / (1 + rows)) + 1 for term, rows in frequency.items() if rows > 1}
    rows = [(_vector(counted, idf), label) for counted, (_, label) in zip(words, pairs, strict=True)]
    weights, bias, shrunk, step = dict.fromkeys(idf, 0.0), 0.0, 1.0, 0
    decay, chance = 1 / len(rows), random.Random(0)
    for _ in range(EPOCHS):
        chance.shuffle(rows)
        for vector, label in rows:
            rate = RATE / (1 + RATE * decay * step)
            step += 1
            margin = shrunk * sum([weights[term] * value for term, value in vector]) + bias
            push = rate * (label - 1 / (1 + exp(-margin)))
            shrunk *= 1 - rate * decay
            bias += push / 10
            for term, value in vector:
                weights[term] += push * value / shrunk
    return lambda prompt: sum(weights[term] * value for term, value in _vector(Counter(_terms(prompt)), idf))


def _terms(prompt: str) -> list[str]:
    words = re.findall(r"\b\w\w+\b", prompt.lower())
    return words + [f"{one} {other}" for one, other in pairwise(words)]


def _vector(counted: Counter[str], idf: dict[str, float]) -> list[tuple[str, float]]:
    """Of length 1; sublinear in the counts."""
    raw = [(term, (1 + log(count)) * idf[term]) for term, count in counted.items() if term in idf]
    length = sqrt(sum(value * value for _, value in raw)) or 1.0
    return [(term, value / length) for term, value in raw]


def learnt(pairs: list[tuple[str, bool]]) -> Scorer:
    return Classifier.train(pairs).score


def over_seeds(rows: Sequence[Outcome], labels: Sequence[bool], train: Learner, seeds: int) -> list[Figures]:
    found: list[Figures] = []
    for seed in range(seeds):
        scores = [0.0] * len(rows)
        for known, unseen in divide(len(rows), FOLDS, seed):
            score = train([(rows[place].prompt, labels[place]) for place in known])
            for place in unseen:
                scores[place] = score(rows[place].prompt)
        found.append(judge(scores, rows))
    return found


def show(name: str, found: Sequence[Figures]) -> Figures:
    """A line of the table; the medians."""
    columns = list(zip(*((one.quality, one.apgr or 0.0, one.saving) for one in found), strict=True))
    quality, apgr, saving = map(statistics.median, columns)
    ends = [(min(column), max(column)) for column in columns]
    spread = "   {:.1%}..{:.1%}  {:.3f}..{:.3f}  -{:.0%}..-{:.0%}".format(*(end for pair in ends for end in pair))
    spread = spread if len(found) > 1 else ""
    print(f"{name:32} {quality:>8.2%} {apgr:>7.3f} {-saving:>8.1%}{spread}", flush=True)
    return Figures(quality, apgr, saving)


def table(name: str, rows: Sequence[Outcome], seeds: int) -> bool:
    """The table of one file; whether the targets are met."""
    failed = [not row.worker_correct for row in rows]
    needed = [row.needs_lead for row in rows]
    print(f"\n{name}: {len(rows):,} rows, {FOLDS} folds, {seeds} seeds")
    print(f"{'':32} {'at -30 %':>8} {'APGR':>7} {'at 95 %':>8}")
    show("random", [random_figures(rows)])
    show("prompt length", [judge(length_scores(rows), rows)])
    show("heuristic after LiteLLM's", [judge([heuristic(row.prompt) for row in rows], rows)])
    show(f"TF-IDF, logistic ({_by()})", over_seeds(rows, needed, tfidf, seeds))
    own = show("emonk, lead right, worker wrong", over_seeds(rows, needed, learnt, seeds))
    show("emonk, worker wrong", over_seeds(rows, failed, learnt, seeds))
    show("oracle", [judge(oracle_scores(rows), rows)])
    target = TARGETS[name]
    print(f"{'target':32} {target.quality:>8.2%} {target.apgr:>7.3f} {-target.saving:>8.1%}")
    return own.quality >= target.quality and (own.apgr or 0) >= (target.apgr or 0) and own.saving >= target.saving


def price(name: str, rows: Sequence[Outcome]) -> bool:
    """What training on all rows, the file and scoring take; whether that is little enough."""
    began = time.process_time()
    made = Classifier.train((row.prompt, row.needs_lead) for row in rows)
    seconds = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder) / "model")
        size = (Path(folder) / "model").stat().st_size
    taken = [_timed(made.score, row.prompt) for row in rows]
    median = statistics.median(taken) * 1e6
    print(f"{name}: training {seconds:.1f} s of CPU, file {size / 1e6:.2f} MB, scoring {median:.0f} us (median)")
    return seconds <= SECONDS and size <= MEGABYTES * 1e6 and median <= MICROSECONDS


def _timed(score: Scorer, prompt: str) -> float:
    began = time.perf_counter()
    score(prompt)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", nargs="?", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    files = {name: given.directory / f"route_{name}.jsonl" for name in TARGETS}
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing:
        print(f"{given.directory} has no {' and no '.join(missing)}: nothing was measured")
        return 0
    met = True
    for name, path in files.items():
        rows = read_outcomes(path).rows
        met = table(name, rows, given.seeds) and met
        met = price(name, rows) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
