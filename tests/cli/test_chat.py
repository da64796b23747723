"""Talking in a terminal, and asking one thing."""

import json
import os
import stat
from pathlib import Path

import pytest

from tests.cli.running import Terminal, emonk, refused, write_agent

CTRL_C = "\x03"
CTRL_D = "\x04"
PROMPT = ">\x1b[22m "


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return write_agent(tmp_path)


def test_one_message_prints_the_reply_and_nothing_else(agent: Path) -> None:
    ended = emonk("chat", agent, "-m", "greet Ada")
    assert ended.returncode == 0, ended
    assert "Hello" in ended.stdout
    assert "Ada" in ended.stdout
    assert "\x1b" not in ended.stdout
    assert ended.stderr == "integration github is not available in this version\n"


def test_a_folder_stands_for_its_agent_yaml(agent: Path) -> None:
    assert "Ada" in emonk("chat", agent.parent, "-m", "greet Ada").stdout


def test_a_pipe_is_one_message(agent: Path) -> None:
    ended = emonk("chat", agent, stdin="greet Ada\n")
    assert ended.returncode == 0
    assert "Ada" in ended.stdout


def test_json_prints_the_whole_reply(agent: Path) -> None:
    reply = json.loads(emonk("chat", agent, "-m", "greet Ada", "--session", "s1", "--json").stdout)
    assert (reply["status"], reply["session_id"], reply["cost_usd"]) == ("done", "s1", 0)


def test_a_turn_that_does_not_work_out_is_code_1(tmp_path: Path) -> None:
    agent = write_agent(tmp_path)
    agent.write_text(agent.read_text() + "  limits: {seconds: 0.2}\n")
    ended = emonk("chat", agent, "-m", "wait a while")
    assert ended.returncode == 1
    assert "limit: seconds" in ended.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jr-enginer", "did you mean jr-engineer?"),
        ("nobody", "jr-engineer, marketing"),
        ("none/agent.yaml", "there is no file"),
    ],
)
def test_an_unknown_agent_is_told_the_closest_one(name: str, said: str) -> None:
    assert said in refused("chat", name, "-m", "hi")


def test_a_folder_without_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("bad", "./bad", str(tmp_path / "bad")):
        assert f"error: {name} has no agent.yaml" in refused("chat", name, "-m", "hi")
        assert f"error: {name} has no agent.yaml" in refused("serve", name)


def test_a_bad_file_is_told_with_line_and_key(tmp_path: Path) -> None:
    bad = tmp_path / "agent.yaml"
    bad.write_text("agent:\n  name: x\n  lm: {}\n")
    line = refused("chat", bad, "-m", "hi")
    assert f"{bad}:3: agent.lm" in line


def test_an_empty_message_is_refused(agent: Path) -> None:
    assert "empty" in refused("chat", agent, "-m", " ")
    assert "empty" in refused("chat", agent)


def test_a_data_directory_that_cannot_be_made_is_one_line() -> None:
    assert "/dev/null/data" in refused("chat", "-m", "hi", EMONK_DATA_DIR="/dev/null/data")


def test_a_dialogue_streams_keeps_the_session_and_its_history(agent: Path) -> None:
    with Terminal("chat", agent) as terminal:
        terminal.expect("integration github is not available")
        terminal.expect("on offline. /help lists the commands")
        terminal.type("greet Ada\r")
        terminal.expect("→ greet(who=")
        terminal.expect("✓ greet")
        terminal.expect("Hello \u241b[31mAda")
        terminal.type("/session\r")
        terminal.expect("/session\r\n")
        terminal.type("/nonsense\r")
        terminal.expect("there is no command /nonsense")
        terminal.type("/help\r")
        terminal.expect("begin a new session")
        terminal.expect(PROMPT)
        terminal.type(CTRL_D)
        terminal.expect("--session ")
        assert terminal.end() == 0
    session = terminal.seen.rpartition("--session ")[2].split("\x1b")[0].strip()
    history = Path(os.environ["EMONK_DATA_DIR"]) / "chat_history"
    assert "greet Ada" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert f"emonk chat {agent} --session {session}" in terminal.seen
    with Terminal("chat", agent, "--session", session) as terminal:
        terminal.expect("greet Ada")
        terminal.expect("on offline. /help lists the commands")
        terminal.type("/quit\r")
        assert terminal.end() == 0


def test_ctrl_c_stops_the_turn_and_keeps_the_session(agent: Path) -> None:
    with Terminal("chat", agent) as terminal:
        terminal.expect(PROMPT)
        terminal.type("wait a while\r")
        terminal.expect("→ wait_long()")
        terminal.type(CTRL_C)
        terminal.expect("stopped; the session goes on")
        terminal.type("greet Ada\r")
        terminal.expect("Hello \u241b[31mAda")
        terminal.expect(PROMPT)
        terminal.wait_until_idle()
        terminal.type(CTRL_C)
        terminal.expect("the session is kept")
        assert terminal.end() == 0
    assert "Traceback" not in terminal.seen


def test_ctrl_c_ends_a_single_message(agent: Path) -> None:
    with Terminal("chat", agent, "-m", "wait a while") as terminal:
        terminal.expect("→ wait_long()")
        terminal.type(CTRL_C)
        terminal.expect("cancelled")
        assert terminal.end() == 130
    assert "Traceback" not in terminal.seen


def test_without_colours_nothing_is_coloured(agent: Path) -> None:
    with Terminal("chat", agent, NO_COLOR="1") as terminal:
        terminal.expect("> ")
        terminal.type("greet Ada\r")
        terminal.expect("✓ greet")
        terminal.expect("\n> ")
        terminal.type(CTRL_D)
        terminal.end()
    assert "\x1b[2m" not in terminal.seen
    assert "\x1b[1m" not in terminal.seen
