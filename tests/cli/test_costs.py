"""`emonk costs`: what was spent, in a terminal, as JSON and as CSV."""

import asyncio
import csv
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from emonk.costs.tracker import CostTracker
from emonk.records import Usage, UsageRow
from emonk.store.connect import connect, default_url
from tests.cli.running import Terminal, emonk, refused, write_agent

LEAD, WORKER = "gemini:gemini-2.5-pro", "gemini:gemini-2.5-flash"
USAGE = Usage(1_000_000, 100_000)


async def fill(url: str, *more: UsageRow) -> None:
    store = await connect(url)
    async with CostTracker(store) as tracker:
        await tracker.log_usage(WORKER, Usage(100_000, 10_000), user_id="ada", agent="helper", lead=LEAD)
        await tracker.log_usage(WORKER, Usage(100_000, 10_000), user_id="=1+1", agent="helper", lead=LEAD)
        await tracker.log_usage(LEAD, Usage(100_000, 10_000), user_id="ada", agent="other\x1b[31m", lead=LEAD)
    if more:
        await store.bill(more)
    await store.aclose()


def row(number: int, **changes: Any) -> UsageRow:
    fields: dict[str, Any] = {
        "row_id": f"r{number}",
        "agent": "helper",
        "session_id": "s",
        "user_id": "bob",
        "trace_id": "",
        "purpose": "turn",
        "provider": "openai",
        "model": "llama3",
        "state": "completed",
        "started_at": int(datetime(2026, 1, 5, tzinfo=UTC).timestamp() * 1_000_000),
        "cost_usd": None,
    }
    return UsageRow(**{**fields, **changes})


@pytest.fixture
def ledger() -> None:
    asyncio.run(fill(default_url(), row(1), row(2, state="started", model="gemini-2.5-flash", provider="gemini")))


def test_an_empty_ledger_says_so_and_makes_no_store(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert emonk("costs", EMONK_DATA_DIR=str(data)).stdout == "no costs yet\n"
    assert not data.exists()
    assert emonk("costs", "--since", "2026-01-01").stdout == "no costs since 2026-01-01\n"
    assert json.loads(emonk("costs", "--json").stdout)["rows"] == []


def test_costs_are_shown_by_model_the_dearest_first_with_bars(ledger: None) -> None:
    heading, first, second, third, total, *remarks = emonk("costs").stdout.splitlines()
    assert heading.split() == ["MODEL", "CALLS", "TOKENS", "IN", "TOKENS", "OUT", "USD"]
    assert first.split()[:5] == [LEAD, "1", "100,000", "10,000", "0.225000"]
    assert second.split()[:5] == [WORKER, "3", "200,000", "20,000", "0.110000"]
    assert third.split() == ["openai:llama3", "1", "0", "0", "unpriced"]
    assert total.split() == ["total", "5", "300,000", "30,000", "0.335000"]
    assert first.count("\u2588") > second.count("\u2588") > 0
    assert remarks == [
        "1 call unpriced: what it cost is not in the sum",
        "1 call unfinished: under way, or cut off and maybe billed",
        "saved 0.34 USD (50%) against the lead for every call, on the same tokens",
    ]


def test_only_a_terminal_gets_faces_and_no_line_is_wider_than_it(ledger: None) -> None:
    assert "\x1b" not in emonk("costs", "--by", "agent").stdout
    with Terminal("costs", "--by", "agent") as terminal:
        assert terminal.end() == 0
    assert "\x1b[1mAGENT" in terminal.seen
    assert "\x1b[31m" not in terminal.seen
    narrow = {"COLUMNS": "40", "NO_COLOR": "1"}
    with Terminal("costs", **narrow) as terminal:
        assert terminal.end() == 0
    table = terminal.seen.splitlines()[:5]
    assert max(len(line) for line in table) <= 40
    assert "gemini:gemini-2.5-pro" in terminal.seen  # bars, not names, are left out
    assert "\x1b" not in terminal.seen


def test_json_tells_rows_total_and_savings_and_unknown_is_null(ledger: None) -> None:
    told = json.loads(emonk("costs", "--json").stdout)
    assert [(one["model"], one["cost_usd"]) for one in told["rows"]] == [
        (LEAD, "0.225"),
        (WORKER, "0.11"),
        ("openai:llama3", None),
    ]
    assert (told["total"]["cost_usd"], told["total"]["unpriced"], told["total"]["unfinished"]) == ("0.335", 2, 1)
    assert told["savings"] == {
        "calls": 3,
        "cost_usd": "0.335",
        "lead_usd": "0.675",
        "saved_usd": "0.34",
        "share": 0.5037,
        "unknown": 0,
    }


def test_csv_is_quoted_and_computes_nothing(ledger: None) -> None:
    rows = list(csv.DictReader(io.StringIO(emonk("costs", "--by", "user", "--format", "csv").stdout)))
    assert [(one["user"], one["calls"], one["cost_usd"]) for one in rows] == [
        ("ada", "2", "0.28"),
        ("'=1+1", "1", "0.055"),
        ("bob", "2", ""),
    ]


def hostile(name: str, form: str) -> str:
    """What is told of one call of a user of this name."""

    async def fill_one() -> None:
        store = await connect(default_url())
        await store.bill([row(1, user_id=name)])
        await store.aclose()

    asyncio.run(fill_one())
    return emonk("costs", "--by", "user", "--format", form).stdout


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x\r=1+1", "x\u240d=1+1"),
        ("\r=1+1", "\u240d=1+1"),
        ("\t=1+1", "\u2409=1+1"),
        ("x\n=1+1,2", "x\u240a=1+1,2"),
        (" =1+1", "' =1+1"),
        ("\u00a0@x", "'\u00a0@x"),
        ("\uff1d1", "'\uff1d1"),
        ("a\x1b]0;b\x07\x9b1m", "a\u241b]0;b\u2407\\x9b1m"),
    ],
)
def test_a_name_in_csv_is_one_cell_that_nothing_computes_or_obeys(name: str, shown: str) -> None:
    text = hostile(name, "csv")
    assert "\r" not in text
    assert [one[0] for one in csv.reader(io.StringIO(text, newline=""))] == ["user", shown]


def test_a_name_in_json_is_whole_and_moves_no_terminal() -> None:
    name = "a\x1b]0;b\x07\x7f\x9b1m\r\u2028 =1"
    text = hostile(name, "json")
    assert text.strip().isprintable()
    assert json.loads(text)["rows"][0]["user"] == name


def test_costs_of_a_time_an_agent_and_a_user(ledger: None) -> None:
    def calls(*arguments: object) -> int:
        found: int = json.loads(emonk("costs", "--json", *arguments).stdout)["total"]["calls"]
        return found

    assert calls("--until", "2026-01-05") == 2
    assert calls("--until", "2026-01-04") == 0
    assert calls("--since", "1h") == 3
    assert calls("--since", date(2026, 1, 6), "--agent", "helper") == 2
    assert calls("--user", "ada") == 2


def test_the_store_and_the_prices_of_a_file_count(tmp_path: Path) -> None:
    path = write_agent(tmp_path)
    url = f"sqlite:///{tmp_path / 'own.db'}"
    path.write_text(f"{path.read_text()}  store: {url}\n  prices: [{{model: '{LEAD}', input: 100, output: 100}}]\n")
    asyncio.run(fill(url))
    told = json.loads(emonk("costs", "--json", "--agent", path).stdout)
    assert [one["model"] for one in told["rows"]] == [WORKER]
    assert told["savings"]["lead_usd"] == "22"


def test_arguments_that_make_no_sense_are_refused() -> None:
    assert "--since is 'soon'" in refused("costs", "--since", "soon")
    assert "'colour' is nothing to sum by" in refused("costs", "--by", "colour")
    assert "the format is 'xml'" in refused("costs", "--format", "xml")
    assert "the format is json as well" in refused("costs", "--format", "csv", "--json")
    assert "before the start" in refused("costs", "--since", "2026-01-02", "--until", "2026-01-01")
