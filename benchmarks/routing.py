"""How much quality routing keeps for how much less money: `python benchmarks/routing.py [DIRECTORY] [--seeds N]`.

The directory holds `route_mmlu.jsonl` and `route_gsm8k.jsonl`: prompts with the recorded outcomes of a worker and a
lead (prices 0.24 and 24.7 USD for a million tokens). What is trained is trained on four fifths and judged on the fifth
that it did not see; each seed divides the rows anew, and the median and the range over the seeds are shown.

Rows: random; prompt length; a heuristic after the published description of LiteLLM's complexity router (its dimensions,
weights and bounds; the words it looks for are ours, since the description gives examples only); TF-IDF of words and
pairs with logistic regression (scikit-learn where it is installed, else a ridge regression of ours on the same
features); the classifier, its label being that the lead was right and the worker wrong, and that the worker was wrong;
the oracle.

Exits 1 when scoring takes more than 200 microseconds (median of all prompts), a model has more than 5 MB, training
takes more than 60 s of CPU, or the classifier keeps less than its targets.
"""

import argparse
import importlib
import importlib.util
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from emonk.routing import Classifier
from emonk.routing.evaluate import Figures, Learner, divide, judge, length_scores, oracle_scores, random_figures
from emonk.routing.outcomes import Outcome, read_outcomes
from emonk.routing.tokens import tokens_of
from emonk.routing.wording_training import train_wording

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
FOLDS = 5
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


def _regression() -> str:
    return "logistic" if importlib.util.find_spec("sklearn") else "ridge"


def _own_tfidf(pairs: list[tuple[str, bool]]) -> Scorer:
    mean = sum(label for _, label in pairs) / len(pairs)
    target = [label - mean for _, label in pairs]
    made = train_wording([tokens_of(prompt) for prompt, _ in pairs], target, penalty=1.0, pieces=1e-9)
    return lambda prompt: made.score(tokens_of(prompt))


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
    show(f"TF-IDF, {_regression()} regression", over_seeds(rows, needed, tfidf, seeds))
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
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        score(prompt)
        best = min(best, time.perf_counter() - began)
    return best


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", nargs="?", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    files = {name: given.directory / f"route_{name}.jsonl" for name in TARGETS}
    if not all(path.is_file() for path in files.values()):
        print(f"{given.directory} has no recorded outcomes: nothing to judge")
        return 0
    met = True
    for name, path in files.items():
        rows = read_outcomes(path).rows
        met = table(name, rows, given.seeds) and met
        met = price(name, rows) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
