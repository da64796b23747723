"""Seeing what agents did outside, and settling what nobody knows, in a terminal."""

import json
from pathlib import Path

import pytest

from tests.cli.running import emonk, refused, write_agent

POST = """\
  - {script: post.sh, name: post, description: Post something., effect: true,
     triggers: ["post {text}"], parameters: {text: {type: string}}}
"""


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """An agent whose post was cut off, so that nobody knows whether it is out."""
    agent = write_agent(tmp_path)
    skill = tmp_path / "skills" / "chores" / "SKILL.md"
    head, rule, rest = skill.read_text().rpartition("---\n")
    skill.write_text(f"{head}{POST}{rule}{rest}")
    (tmp_path / "skills" / "chores" / "post.sh").write_text("kill -9 $$\n")
    emonk("chat", agent, "-m", "post \x1b[31mlunch", "--session", "s1")
    return agent


def listed(*arguments: object) -> list[dict[str, object]]:
    return json.loads(emonk("effects", "list", "--json", *arguments).stdout)


def test_what_nobody_knows_is_listed_until_a_person_settles_it(agent: Path) -> None:
    (unknown,) = listed()
    assert (unknown["state"], unknown["tool"]) == ("unknown", "post")
    (row,) = emonk("effects", "list").stdout.splitlines()
    assert "unknown" in row
    assert "\x1b" not in row
    assert "(see emonk effects list)" in refused("sessions", "delete", "s1", "--yes", code=1)
    told = refused("sessions", "delete", "s1", "--yes", "--agent", agent, code=1)
    assert told.endswith(f"(see emonk effects list --agent {agent})")
    start = str(unknown["key"])[:12]
    assert row.startswith(start)
    settled = emonk("effects", "settle", start, "--did-not-happen", "--note", "the page shows nothing")
    assert "rejected" in settled.stdout
    assert emonk("effects", "list").stdout == "every effect is at its end\n"
    (kept,) = listed("--all")
    assert (kept["state"], kept["content"], kept["error"]) == ("rejected", "the page shows nothing", "not_done")
    assert emonk("sessions", "delete", "s1", "--yes").returncode == 0
    assert emonk("effects", "list", "--all").stdout == "no effects yet\n"


def test_effects_of_other_sessions_and_agents_are_left_out(agent: Path) -> None:
    emonk("chat", agent, "-m", "post supper", "--session", "s2")
    assert len(listed()) == 2
    assert [one["arguments"] for one in listed("--session", "s2")] == [{"text": "supper"}]
    assert len(listed("--agent", agent)) == 2
    assert listed("--agent", "marketing") == []
    assert "there is no session 'nope'" in refused("effects", "list", "--session", "nope")
    assert "marketing has no session 's2'" in refused("effects", "list", "--session", "s2", "--agent", "marketing")


def test_what_cannot_be_settled_is_one_line(agent: Path) -> None:
    (unknown,) = listed()
    key = str(unknown["key"])
    assert "say what you found (--happened or --did-not-happen)" in refused("effects", "settle", key)
    both = refused("effects", "settle", key, "--did-not-happen", "--happened")
    assert both == "error: say one of --happened and --did-not-happen"
    assert "--agent PATH looks in the store of an agent.yaml" in refused("effects", "settle", "ffff", "--happened")
    named = refused("effects", "settle", "ffff", "--happened", "--agent", agent)
    assert named.endswith(f"(see emonk effects list --all --agent {agent})")
    assert "there is no effect 'ffff\\x1b'" in refused("effects", "settle", "ffff\x1b", "--happened")
    assert "there is no effect ''" in refused("effects", "settle", "", "--happened")
    assert emonk("effects", "settle", key, "--happened").returncode == 0
    again = emonk("effects", "settle", key, "--happened")
    assert (again.returncode, again.stderr) == (
        1,
        f"error: effect {key} is done (only one that is unknown waits for somebody to look)\n",
    )


def test_without_a_store_there_is_nothing_to_list(tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    assert emonk("effects", "list", EMONK_DATA_DIR=none).stdout == "no effects yet\n"
    assert "there is no session 'nope'" in refused("effects", "list", "--session", "nope", EMONK_DATA_DIR=none)
    assert not (tmp_path / "none").exists()
    assert "there is no effect" in refused("effects", "settle", "ab", "--happened", EMONK_DATA_DIR=none)
