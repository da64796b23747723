"""Reading sessions in a terminal."""

import json
import os
from pathlib import Path

import pytest

from emonk.cli.columns import cells
from emonk.cli.sessions import table
from emonk.records import Session
from tests.cli.outage import Outage, stand_in
from tests.cli.running import Terminal, emonk, refused, write_agent


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
    assert emonk("sessions", "list", "--user", "ann").stdout == "no sessions yet\n"
    assert len(emonk("sessions", "list", "--user", "local").stdout.splitlines()) == 2
    (listed,) = json.loads(emonk("sessions", "list", "--json").stdout)
    assert (listed["session_id"], listed["agent"]) == ("s1", "helper")


def test_on_a_terminal_no_row_wraps_and_a_title_with_little_room_is_left_out() -> None:
    title = "Compare the trains to \u5317\u4eac with those to Paris"
    found = [
        Session(
            agent="helper",
            session_id=name,
            user_id="ann",
            participants=("ann",),
            created_at=1,
            last_active=1,
            title=title,
        )
        for name in ("s1", "0198c0de-0000-7000-8000-000000000000")
    ]
    for width in (80, 100, 140):
        rows = table(found, width)
        assert max(map(cells, rows)) <= width
        assert ("TITLE" in rows[0]) == (width > 80)
    assert "Compare the" in table(found, 100)[1]
    assert table(found, 140)[1].endswith("Paris")
    assert "TITLE" not in table(found, 84)[0]
    assert table(found)[1].endswith("Paris")
    assert "Compare the trains" in table(found[:1], 80)[1]


def test_show_tells_what_was_said_and_done(agent: Path) -> None:
    shown = emonk("sessions", "show", "s1").stdout
    for part in ("s1, helper", "local", "greet Ada", '→ greet(who="Ada")', "✓ greet", "Hello \u241b[31mAda"):
        assert part in shown
    whole = json.loads(emonk("sessions", "show", "s1", "--json", "--agent", "helper").stdout)
    assert whole["revision"] == len(whole["events"])


def test_show_tells_what_emonk_said_in_place_of_a_model(tmp_path: Path) -> None:
    agent = write_agent(tmp_path)
    agent.write_text(agent.read_text().replace("model: offline", "model: gemini:gemini-3.5-flash"))
    with stand_in(Outage()) as environment:
        assert emonk("chat", agent, "-m", "hello", "--session", "s1", **environment).returncode == 1
        piped = emonk("sessions", "show", "s1").stdout
        with Terminal("sessions", "show", "s1") as terminal:
            terminal.end()
    assert "No language model can be reached" in piped
    assert "- **greet**: Greet somebody." in piped
    assert "\u2022 \x1b[1mgreet\x1b[22m: Greet somebody." in terminal.seen
    assert "[failed: unavailable;" in terminal.seen


def test_a_long_session_is_shown_in_parts(agent: Path) -> None:
    part = emonk("sessions", "show", "s1", "--after", 1, "--limit", 2).stdout
    assert "greet(who=" in part
    assert ", revision 1\n" not in part
    assert part.endswith("[go on with --after 3]\n")
    assert emonk("sessions", "show", "s1", "--after", 99).stdout.endswith("\n[nothing after revision 99]\n")
    events = json.loads(emonk("sessions", "show", "s1", "--json", "--after", 1, "--limit", 2).stdout)["events"]
    assert [event["revision"] for event in events] == [2, 3]


def test_export_is_a_header_and_one_event_a_line(agent: Path, tmp_path: Path) -> None:
    lines = emonk("sessions", "export", "s1").stdout
    head, *events = [json.loads(line) for line in lines.splitlines()]
    assert (head["format"], head["version"], head["session"]["session_id"]) == ("emonk.session", 1, "s1")
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
        assert len(refused("sessions", command, "x" * 10_000)) < 300
        for name in ("a/b", "it's", 'a"b', "\U0001f412"):
            assert "there is no session" in refused("sessions", command, name)
        for name in ("a\x1b[2Jb", "a\nb", "a\udcffb"):
            assert "is no session's name" in refused("sessions", command, name)


def test_an_id_that_two_agents_have_needs_the_agent(agent: Path, tmp_path: Path) -> None:
    other = write_agent(tmp_path / "other")
    other.write_text(other.read_text().replace("name: helper", "name: other"))
    assert emonk("chat", other, "-m", "greet Bob", "--session", "s1").returncode == 0
    assert refused("sessions", "show", "s1").endswith("(add --agent with one of other, helper)")
    assert "greet Bob" in emonk("sessions", "show", "s1", "--agent", "other").stdout
    assert "helper has no session 's2'" in refused("sessions", "show", "s2", "--agent", "helper")


def test_the_path_of_an_agent_leads_to_the_store_that_it_names(tmp_path: Path) -> None:
    path = write_agent(tmp_path / "own")
    path.write_text(path.read_text() + f"  store: sqlite:///{tmp_path}/own.db\n")
    assert emonk("sessions", "list", "--agent", path).stdout == "no sessions of helper yet\n"
    assert not (tmp_path / "own.db").exists()
    assert emonk("chat", path, "-m", "greet Ada", "--session", "s1").returncode == 0
    for place in (path, path.parent):
        assert "greet Ada" in emonk("sessions", "list", "--agent", place).stdout
        assert "greet Ada" in emonk("sessions", "show", "s1", "--agent", place).stdout
        assert emonk("sessions", "export", "s1", "--agent", place).stdout
    assert emonk("sessions", "list").stdout == "no sessions yet\n"
    assert "--agent PATH looks in the store of an agent.yaml" in refused("sessions", "show", "s1")
    assert "there is no file" in refused("sessions", "list", "--agent", tmp_path / "none.yaml")
    assert ". has no agent.yaml" in refused("sessions", "list", "--agent", ".")
    path.write_text("agent: {nmae: x}")
    assert "did you mean name?" in refused("sessions", "list", "--agent", path)


def test_a_damaged_database_is_one_line() -> None:
    folder = Path(os.environ["EMONK_DATA_DIR"])
    folder.mkdir(parents=True)
    (folder / "emonk.db").write_bytes(b"this is no database" * 100)
    assert "emonk.db" in refused("sessions", "list")
