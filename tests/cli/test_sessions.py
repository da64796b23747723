"""Reading sessions in a terminal."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.running import emonk, refused, write_agent


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """An agent with one session, `s1`."""
    agent = write_agent(tmp_path)
    assert emonk("chat", agent, "-m", "greet Ada", "--session", "s1").returncode == 0
    return agent


def test_before_anything_was_said_there_is_nothing_and_nothing_is_made() -> None:
    ended = emonk("sessions", "list")
    assert (ended.returncode, ended.stdout) == (0, "no sessions yet\n")
    assert emonk("sessions", "list", "--json").stdout == "[]\n"
    assert not (Path(os.environ["EMONK_DATA_DIR"]) / "emonk.db").exists()


def test_the_list_names_agent_and_title(agent: Path) -> None:
    heading, row = emonk("sessions", "list").stdout.splitlines()
    assert heading.split() == ["SESSION", "AGENT", "LAST", "ACTIVE", "MESSAGES", "TITLE"]
    assert row.split()[:2] == ["s1", "helper"]
    assert row.endswith("greet Ada")
    assert emonk("sessions", "list", "--agent", "other").stdout == "no sessions of other yet\n"
    (listed,) = json.loads(emonk("sessions", "list", "--json").stdout)
    assert (listed["session_id"], listed["agent"]) == ("s1", "helper")


def test_show_tells_what_was_said_and_done(agent: Path) -> None:
    shown = emonk("sessions", "show", "s1").stdout
    for part in ("s1, helper", "local", "greet Ada", '→ greet(who="Ada")', "✓ greet", "Hello \u241b[31mAda"):
        assert part in shown
    whole = json.loads(emonk("sessions", "show", "s1", "--json", "--agent", "helper").stdout)
    assert whole["revision"] == len(whole["events"])


def test_export_is_one_event_a_line(agent: Path, tmp_path: Path) -> None:
    lines = emonk("sessions", "export", "s1").stdout
    events = [json.loads(line) for line in lines.splitlines()]
    assert [event["revision"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["kind"] == "user_message"
    assert events[0]["text"] == "greet Ada"
    assert all(isinstance(event["at"], int) for event in events)
    output = tmp_path / "session.jsonl"
    assert emonk("sessions", "export", "s1", "--output", output).stdout == ""
    assert output.read_text() == lines
    assert "cannot write" in refused("sessions", "export", "s1", "--output", tmp_path)


def test_an_unknown_session_is_code_2(agent: Path) -> None:
    for command in ("show", "export"):
        assert "there is no session 's2'" in refused("sessions", command, "s2")


def test_a_damaged_database_is_one_line() -> None:
    folder = Path(os.environ["EMONK_DATA_DIR"])
    folder.mkdir(parents=True)
    (folder / "emonk.db").write_bytes(b"this is no database" * 100)
    assert "emonk.db" in refused("sessions", "list")
