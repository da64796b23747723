"""`emonk router`: train, judge and ask the classifier that tells what needs the lead."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emonk.cli.passing import Progress
from emonk.cli.router_target import check_model_target, check_rows_target, write_rows
from emonk.cli.session_place import JsonOption, ask, place_of
from emonk.cli.terminal import note, one_line, say
from emonk.cli.trouble import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emonk.routing.classifier import Part
    from emonk.routing.outcomes import Outcomes
    from emonk.routing.own_outcomes import OwnOutcomes
    from emonk.store.protocol import Store

SHOWN = 10
FEW = 200
PAGE = 500

app = typer.Typer(
    help="Train and judge the classifier that tells what needs the lead.", add_completion=False, rich_markup_mode=None
)

DataOption = Annotated[
    Path, typer.Option("--data", help="JSON lines: prompt, worker_correct and, where known, lead_correct.")
]
SkipOption = Annotated[bool, typer.Option("--skip-broken", help="Leave broken lines out.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Write over a file that is something else.")]
ModelOption = Annotated[Path, typer.Option("--model", help="What `emonk router train` wrote.")]


@app.command("train")
def train(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Where to write the model.")],
    *,
    lead_share: Annotated[
        float, typer.Option("--lead-share", help="The part of prompts that is to go to the lead.", min=0, max=1)
    ] = 0.7,
    skip_broken: SkipOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Learn which prompts need the lead, and write the model for `routing.classifier` in agent.yaml."""
    from emonk.cli.amounts import counted  # noqa: PLC0415 - help is shown without it
    from emonk.routing.classifier import Classifier  # noqa: PLC0415  help is shown without it

    check_model_target(out, data, force=force)
    outcomes = _read(data, skip_broken=skip_broken)
    began = time.process_time()
    with Progress("learning", rounds=_rounds(len(outcomes.rows)), quiet=as_json) as progress:
        made = Classifier.train(outcomes.pairs(), lead_share=lead_share, told=progress.told)
    made.save(out)
    words, features = made.top(SHOWN)
    facts = {
        "rows": len(outcomes.rows),
        "need_lead": sum(row.needs_lead for row in outcomes.rows),
        "broken": len(outcomes.broken),
        "cpu_seconds": round(time.process_time() - began, 2),
        "bytes": out.stat().st_size,
        "threshold": made.threshold,
        "lead_share": lead_share,
    }
    if as_json:
        _print_json({**facts, "words": words, "features": features})
        return
    left_out = counted(len(outcomes.broken), "line")
    say(f"{counted(len(outcomes.rows), 'prompt')}, of which {facts['need_lead']:,} need the lead; {left_out} left out")
    say(f"{one_line(str(out))}: {facts['bytes']:,} bytes, learnt in {facts['cpu_seconds']} s of CPU")
    say(f"threshold {made.threshold:.4f}, reached by {lead_share:.0%} of them")
    _show("words for the lead", words[: len(words) // 2])
    _show("words for the worker", words[: len(words) // 2 - 1 : -1])
    _show("what else counts", features)
    if len(outcomes.rows) < FEW:
        note(
            f"{len(outcomes.rows)} prompts teach little: see with `emonk router eval` whether it is better than length"
        )


@app.command("eval")
def evaluate(
    data: DataOption,
    *,
    model: Annotated[Path | None, typer.Option("--model", help="Judge this one, instead of one for each fold.")] = None,
    folds: Annotated[int, typer.Option("--folds", help="In how many parts the rows are divided.", min=2)] = 5,
    seed: Annotated[int, typer.Option("--seed", help="Of the division.", min=0)] = 0,
    worker_price: Annotated[float, typer.Option("--worker-price", help="USD for a million tokens.")] = 0.24,
    lead_price: Annotated[float, typer.Option("--lead-price", help="USD for a million tokens.")] = 24.7,
    skip_broken: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """Tell how much quality stays for how much less money, by rows in which both models' outcomes are known.

    Each prompt is judged by a model that was trained without it; with --model, rows it was trained on flatter it.
    """
    from emonk.routing import evaluate as judging  # noqa: PLC0415 - as above
    from emonk.routing.classifier import Classifier  # noqa: PLC0415 - as above

    prices = judging.Prices(worker_price, lead_price)
    rows = _read(data, skip_broken=skip_broken).rows
    figures = {"random": judging.random_figures(rows, prices)}
    figures["prompt length"] = judging.judge(judging.length_scores(rows), rows, prices)
    with Progress("judging", rounds=folds * _rounds(len(rows) - len(rows) // folds), quiet=as_json) as progress:

        def learn(pairs: "list[tuple[str, bool]]") -> "Callable[[str], float]":
            return Classifier.train(pairs, told=progress.told).score

        if model is None:
            scores = judging.out_of_fold_scores(rows, folds=folds, seed=seed, train=learn)
        else:
            scores = list(map(Classifier.load(model).score, (row.prompt for row in rows)))
    figures["classifier"] = judging.judge(scores, rows, prices)
    figures["oracle"] = judging.judge(judging.oracle_scores(rows), rows, prices)
    if as_json:
        _print_json({"rows": len(rows), "folds": None if model else folds, "seed": seed, "figures": figures})
        return
    say(f"{'':14}  quality at -30 % cost   APGR  cost at 95 % quality")
    for name, one in figures.items():
        apgr = "-" if one.apgr is None else f"{one.apgr:.3f}"
        say(f"{name:14}  {one.quality:>21.1%}  {apgr:>5}  {-one.saving:>20.1%}")


@app.command("score")
def score(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A prompt; - reads it from standard input.")],
    model: ModelOption,
    *,
    as_json: JsonOption = False,
) -> None:
    """Tell how much a prompt needs the lead, and why."""
    from emonk.routing.classifier import Classifier  # noqa: PLC0415 - as above

    made = Classifier.load(model)
    prompt = sys.stdin.read() if text == "-" else text
    if not prompt.strip():
        raise UsageError("the prompt is empty")
    found = made.score(prompt)
    goes = "lead" if found >= made.threshold else "worker"
    parts = made.explain(prompt)
    if as_json:
        _print_json({"score": found, "threshold": made.threshold, "goes_to": goes, "parts": parts[:SHOWN]})
        return
    say(f"{found:.4f}, {'at least' if goes == 'lead' else 'below'} the threshold of {made.threshold:.4f}: {goes}")
    _show("because of", parts[:SHOWN])


@app.command("export")
def export(
    out: Annotated[Path, typer.Option("--out", help="Where to write the rows.")],
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="Its name, or the path of its agent.yaml or folder; or all.")
    ] = None,
    *,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write what became of your own turns as rows to train on.

    A row tells whether the worker's answer held, and of a turn that the lead took over, whether that one's did.
    """
    from emonk.cli.amounts import counted  # noqa: PLC0415 - help is shown without it
    from emonk.routing.outcomes import encode_outcomes  # noqa: PLC0415 - as above
    from emonk.routing.own_outcomes import OwnOutcomes  # noqa: PLC0415 - as above

    check_rows_target(out, force=force)
    place = place_of(agent)

    async def query(store: "Store") -> OwnOutcomes:
        return await _own(store, place.agent)

    with Progress("reading sessions", quiet=as_json):
        found = ask(place, query) or OwnOutcomes()
    if not found.rows:
        said = f"no turn tells how the worker did ({found.left_out} do not)"
        raise UsageError(said, "turns count of agents with a worker and a lead, in which the worker had its chance")
    write_rows(out, encode_outcomes(found.rows))
    held = sum(row.worker_correct for row in found.rows)
    if as_json:
        _print_json({"rows": len(found.rows), "held": held, "left_out": found.left_out})
        return
    say(f"{one_line(str(out))}: {counted(len(found.rows), 'row')}, in {held:,} of which the worker's answer held")
    say(f"{counted(found.left_out, 'turn')} {'tells' if found.left_out == 1 else 'tell'} nothing of the worker")


async def _own(store: "Store", agent: str | None) -> "OwnOutcomes":
    """The outcomes in all sessions, the oldest last."""
    from emonk.routing.own_outcomes import OwnOutcomes  # noqa: PLC0415 - as above

    found, before = OwnOutcomes(), None
    while page := await store.sessions(agent=agent, before=before):
        for session in page:
            events, after = list[Any](), 0
            while part := await store.read(session.key, after=after, limit=PAGE):
                events += [logged.event for logged in part]
                after = part[-1].revision
            found.add(events)
        before = page[-1].last_active
    return found


def _rounds(rows: int) -> int:
    """How many times a training learns: where rows are few, again without some for the threshold."""
    from emonk.routing.classifier import CROSS_FITTED, CROSS_FOLDS  # noqa: PLC0415 - as above

    return 1 if rows > CROSS_FITTED else 1 + min(CROSS_FOLDS, rows)


def _read(data: Path, *, skip_broken: bool) -> "Outcomes":
    from emonk.routing.outcomes import read_outcomes  # noqa: PLC0415 - as above

    found = read_outcomes(data, skip_broken=skip_broken)
    for broken in found.broken[:SHOWN]:
        note(f"line {broken.number} is left out: {broken.reason}")
    if len(found.broken) > SHOWN:
        note(f"and {len(found.broken) - SHOWN} more")
    return found


def _show(title: str, parts: "Sequence[Part]") -> None:
    if parts:
        say(f"{title}:")
    for part in parts:
        say(f"  {part.value:+.4f}  {one_line(part.name, 60)}")


def _print_json(found: object) -> None:
    import msgspec  # noqa: PLC0415 - as above

    say(msgspec.json.encode(found).decode())
