"""How good scores are at sending to the lead what needs it, by recorded outcomes of both models."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from random import Random

import msgspec

from emonk.errors import InvalidConfig
from emonk.routing.classifier import Classifier
from emonk.routing.outcomes import Outcome

WORKER_PRICE, LEAD_PRICE = 0.24, 24.7
"""USD for a million tokens: Mixtral 8x7B and GPT-4 Turbo, as RouteLLM takes them (Ong et al., 2024)."""

SAVING = 0.3
QUALITY = 0.95
FOLDS = 5
RANDOM_ORDERS = 20


Learner = Callable[[list[tuple[str, bool]]], Callable[[str], float]]
"""Makes of prompts, each with whether it needs the lead, what scores others."""


class Prices(msgspec.Struct, frozen=True):
    """What a million tokens cost, in USD; both models are taken to use the same number of them."""

    worker: float = WORKER_PRICE
    lead: float = LEAD_PRICE

    def __post_init__(self) -> None:
        if not 0 <= self.worker < self.lead < float("inf"):
            said = f"the worker's price is {self.worker:.6g} and the lead's {self.lead:.6g}"
            raise InvalidConfig(said, hint="the worker is cheaper, and no price is below 0")


class Figures(msgspec.Struct, frozen=True):
    """How good a router is.

    Attributes:
        quality: right answers at 30 % less cost, as a share of the lead's.
        apgr: average performance gap recovered: the area between the quality over the share of calls of the lead and
            the worker's quality, as a share of the gap between the two models; None where the lead is no better.
        saving: the part of the lead's cost that is spared where 95 % of its quality are enough.
    """

    quality: float
    apgr: float | None
    saving: float


def judge(scores: Sequence[float], outcomes: Sequence[Outcome], prices: Prices | None = None) -> Figures:
    """The figures of a router that asks the lead for the highest scores.

    Raises:
        InvalidConfig: an outcome without the lead's, or a lead that was never right.
    """
    prices = prices or Prices()
    lead, gains = _gains(outcomes)
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    worker = sum(row.worker_correct for row in outcomes)
    gained = list(accumulate((gains[place] for place in order), initial=0))
    whole = len(gains)
    costs = [
        (share * prices.lead + (whole - share) * prices.worker) / (whole * prices.lead) for share in range(whole + 1)
    ]
    affordable = max((n for n, cost in enumerate(costs) if cost <= 1 - SAVING + 1e-12), default=0)
    enough = next((n for n, gain in enumerate(gained) if worker + gain >= QUALITY * lead), whole)
    gap = lead - worker
    area = (sum(gained) - (gained[0] + gained[-1]) / 2) / whole
    return Figures((worker + gained[affordable]) / lead, area / gap if gap > 0 else None, 1 - costs[enough])


def random_figures(outcomes: Sequence[Outcome], prices: Prices | None = None) -> Figures:
    """The mean of several random orders."""
    draw = Random(0)  # noqa: S311
    found = [judge([draw.random() for _ in outcomes], outcomes, prices) for _ in range(RANDOM_ORDERS)]
    areas = [one.apgr for one in found if one.apgr is not None]
    return Figures(
        sum(one.quality for one in found) / len(found),
        sum(areas) / len(areas) if areas else None,
        sum(one.saving for one in found) / len(found),
    )


def length_scores(outcomes: Sequence[Outcome]) -> list[float]:
    """The longer, the more it needs the lead."""
    return [float(len(row.prompt)) for row in outcomes]


def oracle_scores(outcomes: Sequence[Outcome]) -> list[float]:
    """As if it were known who will be right."""
    return [float(bool(row.lead_correct)) - row.worker_correct for row in outcomes]


def out_of_fold_scores(
    outcomes: Sequence[Outcome],
    *,
    folds: int = FOLDS,
    seed: int = 0,
    train: Learner | None = None,
    told: Callable[[float], object] | None = None,
) -> list[float]:
    """Scores of each outcome by a classifier that was trained on the other folds.

    Args:
        outcomes: at least two for each fold.
        folds: in how many the outcomes are divided, at random.
        seed: of the division.
        train: something else than a `Classifier` to try.
        told: is called with the part that is done.

    Raises:
        InvalidConfig: there are too few outcomes, or those of some folds have one label only.
    """
    if not 2 <= folds <= len(outcomes) // 2:
        raise InvalidConfig(f"{len(outcomes)} rows cannot be judged in {folds} folds", hint="give more rows")
    learn = train or _learnt
    scores = [0.0] * len(outcomes)
    for done, (known, unseen) in enumerate(divide(len(outcomes), folds, seed), start=1):
        score = learn([(outcomes[place].prompt, outcomes[place].needs_lead) for place in known])
        for place in unseen:
            scores[place] = score(outcomes[place].prompt)
        if told is not None:
            told(done / folds)
    return scores


def _learnt(pairs: list[tuple[str, bool]]) -> Callable[[str], float]:
    return Classifier.train(pairs).score


def divide(count: int, folds: int, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """For each fold which places are outside of it and which are in it."""
    places = list(range(count))
    Random(seed).shuffle(places)  # noqa: S311
    for fold in range(folds):
        unseen = places[fold::folds]
        yield sorted(set(places).difference(unseen)), unseen


def _gains(outcomes: Sequence[Outcome]) -> tuple[int, list[int]]:
    lead = sum(row.lead_correct is True for row in outcomes)
    unknown = sum(row.lead_correct is None for row in outcomes)
    if unknown:
        said = f"{unknown} of {len(outcomes)} rows do not say whether the lead was right"
        raise InvalidConfig(said, hint="a router is judged by rows with worker_correct and lead_correct")
    if not lead:
        raise InvalidConfig("the lead was never right, so there is no quality to keep")
    return lead, [(row.lead_correct is True) - row.worker_correct for row in outcomes]
