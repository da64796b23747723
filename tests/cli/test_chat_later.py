"""Messages that wait for a language model, in a terminal."""

import json
from pathlib import Path

import pytest

from tests.cli.outage import Outage, stand_in, write_agent
from tests.cli.running import Terminal, emonk, refused

CTRL_D = "\x04"
PROMPT = ">\x1b[22m "


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return write_agent(tmp_path)


def keep(terminal: Terminal, text: str) -> None:
    terminal.expect(PROMPT)
    terminal.type(f"{text}\r")
    terminal.expect("/later keeps this message")
    terminal.expect(PROMPT)
    terminal.type("/later\r")
    terminal.expect("kept: it is asked again")
    terminal.expect(PROMPT)


def test_what_was_kept_is_answered_before_the_next_message(agent: Path) -> None:
    outage = Outage()
    with stand_in(outage) as environment, Terminal("chat", agent, **environment) as terminal:
        keep(terminal, "How is Paris?")
        terminal.type("/later\r")
        terminal.expect("it is kept already")
        terminal.expect(PROMPT)
        terminal.type("\r")
        terminal.expect("kept: How is Paris?")
        terminal.expect("it stays kept")
        terminal.expect(PROMPT)
        outage.over, outage.asked = True, 0
        terminal.type("And Rome?\r")
        terminal.expect("kept: How is Paris?")
        terminal.expect("Answer 1.")
        terminal.expect("Answer 2.")
        terminal.expect(PROMPT)
        terminal.type("\r")
        terminal.expect(PROMPT)
        terminal.type(CTRL_D)
        terminal.expect("the session is kept")
        terminal.end()
    assert outage.asked == 2
    assert "Traceback" not in terminal.seen


def test_what_is_said_meanwhile_is_kept_behind_it(agent: Path) -> None:
    outage = Outage()
    with stand_in(outage) as environment, Terminal("chat", agent, **environment) as terminal:
        keep(terminal, "How is Paris?")
        terminal.type("And Rome?\r")
        terminal.expect("it stays kept")
        terminal.expect("kept: it is asked again")
        terminal.expect(PROMPT)
        terminal.type("/later\r")
        terminal.expect("it is kept already")
        outage.over, outage.asked = True, 0
        terminal.type("\r")
        terminal.expect("kept: How is Paris?")
        terminal.expect("Answer 1.")
        terminal.expect("kept: And Rome?")
        terminal.expect("Answer 2.")
        terminal.expect(PROMPT)
        terminal.type("/later\r")
        terminal.expect("it has its answer")


def test_what_another_process_answered_is_shown_before_the_prompt(agent: Path) -> None:
    outage = Outage()
    with stand_in(outage) as environment, Terminal("chat", agent, "--session", "s1", **environment) as terminal:
        keep(terminal, "How is Paris?")
        outage.over, outage.asked = True, 0
        assert "Answer 2." in emonk("chat", agent, "-m", "And Rome?", "--session", "s1", **environment).stdout
        terminal.type("/session\r")
        terminal.expect("kept: How is Paris?")
        terminal.expect("Answer 1.")
    assert outage.asked == 2


def test_what_waits_when_one_leaves_is_asked_for_when_one_comes_back(agent: Path) -> None:
    outage = Outage()
    with stand_in(outage) as environment:
        with Terminal("chat", agent, "--session", "s1", **environment) as terminal:
            keep(terminal, "How is Paris?")
            terminal.type(CTRL_D)
            terminal.expect("waiting for a language model: 1")
            assert terminal.end() == 0
        with Terminal("chat", agent, "--session", "s1", **environment) as terminal:
            terminal.expect("the session waits for a language model")
            terminal.expect(PROMPT)
            outage.over, outage.asked = True, 0
            terminal.type("\r")
            terminal.expect("Answer 1.")


def test_one_message_can_be_kept_and_answered_in_its_session(agent: Path) -> None:
    outage = Outage()
    with stand_in(outage) as environment:
        failed = emonk("chat", agent, "-m", "How is Paris?", **environment)
        assert (failed.returncode, failed.stderr.splitlines()) == (
            1,
            ["--later keeps a message until a language model can be reached again", "failed: unavailable"],
        )
        kept = emonk("chat", agent, "-m", "How is Paris?", "--later", **environment)
        assert (kept.returncode, kept.stderr, outage.asked) == (0, "", 1)
        session = kept.stdout.strip()
        also = json.loads(
            emonk("chat", agent, "-m", "b", "--later", "--json", "--session", session, **environment).stdout
        )
        assert (also["status"], also["session_id"]) == ("queued", session)
        outage.over, outage.asked = True, 0
        assert "Answer 3." in emonk("chat", agent, "-m", "And Rome?", "--session", session, **environment).stdout
        assert "Answer 1." in emonk("sessions", "show", session).stdout


def test_later_is_for_one_message(agent: Path) -> None:
    with Terminal("chat", agent, "--later") as terminal:
        terminal.expect("--later is for one message")
        assert terminal.end() == 2
    assert "empty" in refused("chat", agent, "-m", " ", "--later")
