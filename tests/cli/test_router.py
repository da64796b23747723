"""Training, judging and asking the classifier in a terminal."""

import asyncio
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from emonk.cli import router
from emonk.events import Event, Logged, Routed, StepFailed, TurnFinished, UserSaid
from emonk.messages import Text
from emonk.records import SessionKey
from emonk.routing.outcomes import Outcome, encode_outcomes
from emonk.store.connect import connect
from tests.cli.running import emonk, refused
from tests.cli.test_passing import screen_of


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    draw = random.Random(2)
    found: list[Outcome] = []
    for number in range(240):
        hard = draw.random() < 0.4
        words = draw.choices(("prove", "derive", "integral") if hard else ("name", "greet", "translate"), k=2)
        found.append(Outcome(f"please {' '.join(words)} number {number}", not hard, draw.random() < 0.9))
    path = tmp_path / "rows.jsonl"
    path.write_bytes(encode_outcomes(found))
    return path


def test_a_classifier_is_trained_judged_and_asked(rows: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    told = emonk("router", "train", "--data", rows, "--out", model).stdout
    assert "240 prompts" in told
    assert "words for the lead:" in told
    table = emonk("router", "eval", "--data", rows, "--folds", 3).stdout.splitlines()
    assert [line.split("  ")[0] for line in table[1:]] == ["random", "prompt length", "classifier", "oracle"]
    hard = emonk("router", "score", "--model", model, "prove the integral").stdout
    assert hard.splitlines()[0].endswith(": lead")
    assert '"prove"' in hard
    easy = emonk("router", "score", "--model", model, "-", stdin="name and greet").stdout
    assert easy.splitlines()[0].endswith(": worker")


def test_it_speaks_json(rows: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"

    def spoken(*arguments: object) -> dict[str, Any]:
        return json.loads(emonk("router", *arguments, "--json").stdout)

    trained = spoken("train", "--data", rows, "--out", model, "--lead-share", 0.5)
    assert (trained["rows"], trained["bytes"]) == (240, model.stat().st_size)
    judged = spoken("eval", "--data", rows, "--model", model)["figures"]
    assert judged["random"]["apgr"] < judged["classifier"]["apgr"] <= judged["oracle"]["apgr"]
    scored = spoken("score", "--model", model, "please derive the integral number 3")
    assert (scored["goes_to"], scored["threshold"]) == ("lead", trained["threshold"])


@pytest.mark.parametrize("command", ["train", "eval"])
def test_a_terminal_sees_how_far_it_is_and_only_ever_forward(
    rows: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = screen_of(monkeypatch)
    if command == "train":
        router.train(rows, tmp_path / "model", lead_share=0.5)
    else:
        router.evaluate(rows, folds=2)
    doing = {"train": "learning", "eval": "judging"}[command]
    told = re.findall(rf"\r\x1b\[K{doing}: (\d+)%", screen.getvalue())
    parts = [int(part) for part in told]
    assert parts == sorted(parts)
    assert len(parts) > 20
    assert parts[-1] >= 98
    assert screen.getvalue().endswith("\r\x1b[K")


def test_json_is_alone_on_a_terminal_too(rows: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    screen = screen_of(monkeypatch)
    router.train(rows, tmp_path / "model", lead_share=0.5, as_json=True)
    assert screen.getvalue() == ""


def test_broken_lines_are_refused_or_left_out(rows: Path, tmp_path: Path) -> None:
    with rows.open("ab") as file:
        file.write(b'{"prompt": "x"\n')
    told = refused("router", "train", "--data", rows, "--out", tmp_path / "model")
    assert "line 241" in told
    assert "1 of 241 lines are broken" in told
    assert not (tmp_path / "model").exists()
    done = emonk("router", "train", "--data", rows, "--out", tmp_path / "model", "--skip-broken")
    assert "line 241 is left out" in done.stderr
    assert "1 line left out" in done.stdout


def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    one = tmp_path / "one.jsonl"
    one.write_bytes(encode_outcomes([Outcome("a", True, True), Outcome("b", True, True)] * 20))
    assert "no row needs the lead" in refused("router", "train", "--data", one, "--out", tmp_path / "model")
    assert "cannot be read" in refused("router", "eval", "--data", tmp_path / "none")
    assert "is not there" in refused("router", "score", "--model", tmp_path / "none", "hello")
    assert "is not the model of a router" in refused("router", "score", "--model", one, "hello")
    assert "price" in refused("router", "eval", "--data", one, "--worker-price", 30)
    assert "no turn tells how the worker did" in refused("router", "export", "--out", tmp_path / "rows")


def test_no_training_data_is_written_over(rows: Path, tmp_path: Path) -> None:
    kept, link = rows.read_bytes(), tmp_path / "link"
    link.hardlink_to(rows)
    for out in (rows, link):
        for force in ((), ("--force",)):
            assert "is the data itself" in refused("router", "train", "--data", rows, "--out", out, *force)
    assert rows.read_bytes() == kept


def test_only_a_model_is_written_over_by_one(rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "notes"
    out.write_text("mine")
    assert "is no model of a router (--force" in refused("router", "train", "--data", rows, "--out", out)
    assert out.read_text() == "mine"
    emonk("router", "train", "--data", rows, "--out", out, "--force")
    emonk("router", "train", "--data", rows, "--out", out)


@pytest.mark.parametrize(
    ("out", "told"), [(".", "is a folder"), ("none/model", "there is no folder"), ("x" * 300, "File name too long")]
)
def test_a_target_that_cannot_be_is_one_line(rows: Path, tmp_path: Path, out: str, told: str) -> None:
    assert told in refused("router", "train", "--data", rows, "--out", tmp_path / out)
    assert told in refused("router", "export", "--out", tmp_path / out)


def test_no_other_file_is_written_over_by_rows(tmp_path: Path) -> None:
    out = tmp_path / "notes"
    out.write_text("mine")
    assert "is no file of rows (--force" in refused("router", "export", "--out", out)


def test_own_turns_are_written_as_rows(tmp_path: Path) -> None:
    store = tmp_path / "own.db"
    (tmp_path / "agent.yaml").write_text(f"agent: {{name: own, llm: {{model: offline}}, store: 'sqlite:///{store}'}}\n")
    asyncio.run(_record(f"sqlite:///{store}"))
    told = json.loads(emonk("router", "export", tmp_path, "--out", tmp_path / "rows", "--json").stdout)
    assert told == {"rows": 2, "held": 1, "left_out": 1}
    assert [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()] == [
        {"prompt": "easy", "worker_correct": True},
        {"prompt": "hard", "worker_correct": False, "lead_correct": True},
    ]


async def _record(url: str) -> None:
    worker, lead = Routed(role="worker", model="w", reason="r"), Routed(role="lead", model="l", reason="r")
    ended = TurnFinished(message_id="m", status="done", steps=1, cost_usd=None)
    bad = StepFailed(model="w", code="malformed_output", message="no JSON")
    taken = [worker, bad, bad, replace(lead, phase="escalated")]
    events: list[Event] = []
    for text, routes in (("easy", [worker]), ("hard", taken), ("plan", [lead])):
        events += [UserSaid(message_id="m", user_id="u", trace_id="t", parts=(Text(text),)), *routes, ended]
    logged = [Logged(revision, revision, event) for revision, event in enumerate(events, start=1)]
    store = await connect(url)
    try:
        made = await store.create(SessionKey("own", "s1"), user_id="u")
        await store.delete(made.key)
        await store.restore(replace(made, revision=len(logged)), logged)
    finally:
        await store.aclose()
