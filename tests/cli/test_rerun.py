"""Running a recorded session again from the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.outage import Outage, stand_in
from tests.cli.running import Terminal, emonk, refused, write_agent

EFFECT = 'touch "$0.ran"; printf "Hello %s" "$ARG_WHO"\n'


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """An agent with one session, `s1`, of two turns; its tool leaves a trace when it runs."""
    agent = write_agent(tmp_path)
    for message in ("greet Ada", "greet Bob"):
        assert emonk("chat", agent, "-m", message, "--session", "s1").returncode == 0
    (tmp_path / "skills" / "chores" / "greet.sh").write_text(EFFECT)
    return agent


def ran(agent: Path) -> bool:
    return bool(list(agent.parent.glob("**/*.ran")))


def test_the_same_model_does_the_same_and_nothing_happens(agent: Path) -> None:
    before = emonk("sessions", "export", "s1").stdout
    ended = emonk("rerun", "s1", "--agent-file", agent, "--fail-on-difference")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "turn 1, revision 1, local" in ended.stdout
    assert '  \u2192 greet(who="Ada")' in ended.stdout
    assert "2 turns: 0 answers and the calls of 0 turns differ" in ended.stdout
    assert not ran(agent)
    assert emonk("sessions", "export", "s1").stdout == before


def test_another_model_is_compared_side_by_side(agent: Path) -> None:
    outage = Outage()
    outage.over = True
    with stand_in(outage) as environment:
        options = ("--agent-file", agent, "--model", "gemini:gemini-3.5-flash")
        ended = emonk("rerun", "s1", *options, "--fail-on-difference", COLUMNS="100", **environment)
        whole = json.loads(emonk("rerun", "s1", *options, "--json", **environment).stdout)
    assert ended.returncode == 1
    heads = [line for line in ended.stdout.splitlines() if line.startswith("recorded: offline (done)")]
    assert [line.partition(" \u2502 ")[2] for line in heads] == ["new: stand-in (done)"] * 2
    assert " \u2502 Answer 1." in ended.stdout
    assert '- \u2192 greet(who="Ada")' in ended.stdout
    assert "2 turns: 2 answers and the calls of 2 turns differ" in ended.stdout
    assert (whole["total"]["turns"], whole["total"]["different"]) == (2, 2)
    assert whole["turns"][0]["new"]["text"] == "Answer 3."
    assert whole["turns"][0]["calls"][0]["made_by"] == "recorded"
    assert whole["total"]["new"]["cost_usd"] > 0
    assert not ran(agent)


def test_a_terminal_sees_which_turn_runs(agent: Path) -> None:
    with Terminal("rerun", "s1", "--agent-file", agent, "--from", "2") as terminal:
        terminal.expect("turn 1 of 1 runs again")
        terminal.expect("turn 1, revision 6")
        terminal.expect("1 turn: 0 answers")
        assert terminal.end() == 0


def test_interrupted_it_shows_what_was_over(agent: Path) -> None:
    path = agent.parent / "slow" / "agent.yaml"
    path.parent.mkdir()
    path.write_text(agent.read_text().replace("model: offline", "model: gemini:gemini-3.5-flash"))
    with stand_in(Outage()) as environment, Terminal("rerun", "s1", "--agent-file", path, **environment) as terminal:
        terminal.expect("turn 1 of 2 runs again")
        terminal.wait_until_idle()
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "interrupted" in terminal.seen
    assert "Traceback" not in terminal.seen


def test_what_cannot_be_run_again_is_one_line(agent: Path, tmp_path: Path) -> None:
    assert "add --agent-file with its agent.yaml" in refused("rerun", "s1")
    assert "there is no session 's2'" in refused("rerun", "s2", "--agent-file", agent)
    assert "no message at revision 99 or after it" in refused("rerun", "s1", "--agent-file", agent, "--from", 99)
    assert "cannot read" in refused("rerun", "s1", "--agent-file", agent, "--instructions", tmp_path)
    assert "names no model" in refused("rerun", "s1", "--agent-file", agent, "--model", "gmini:x")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert "is not text" in refused("rerun", "s1", "--agent-file", agent, "--instructions", tmp_path / "bytes")
