"""Taking sessions away, bringing them back, naming and deleting them in a terminal."""

import asyncio
import json
import os
import shlex
import sqlite3
import subprocess
from pathlib import Path

import pytest

from emonk.records import ApprovalState, SessionKey
from emonk.store.connect import connect
from emonk.store.record_protocol import Put
from tests.cli.running import EMONK, PATIENCE, Terminal, emonk, refused, write_agent

DAY = 86_400_000_000


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """An agent with one session, `s1`."""
    agent = write_agent(tmp_path)
    assert emonk("chat", agent, "-m", "greet Ada", "--session", "s1").returncode == 0
    return agent


def listed() -> list[str]:
    return [session["session_id"] for session in json.loads(emonk("sessions", "list", "--json").stdout)]


def test_an_export_comes_back_under_its_name_or_another(agent: Path, tmp_path: Path) -> None:
    file = tmp_path / "s1.jsonl"
    exported = emonk("sessions", "export", "s1", "-o", file)
    assert exported.returncode == 0
    assert "a session of that name already (add --as NEW_ID)" in refused("sessions", "import", file)
    imported = emonk("sessions", "import", file, "--as", "s2")
    assert (imported.stdout, imported.stderr) == ("s2\n", "imported s2 of helper, 5 events\n")
    assert emonk("sessions", "import", "-", "--as", "s3", "--agent", "other", stdin=file.read_text()).stdout == "s3\n"
    assert set(listed()) == {"s1", "s2", "s3"}
    first, second = (emonk("sessions", "export", name).stdout.splitlines()[1:] for name in ("s1", "s2"))
    assert first == second
    assert emonk("chat", agent, "-m", "greet Bob", "--session", "s2").returncode == 0


def test_an_import_makes_the_store_that_is_not_there_yet(agent: Path, tmp_path: Path) -> None:
    file = tmp_path / "s1.jsonl"
    emonk("sessions", "export", "s1", "-o", file)
    anew = {"EMONK_DATA_DIR": str(tmp_path / "anew")}
    assert emonk("sessions", "import", file, **anew).stdout == "s1\n"
    assert "greet Ada" in emonk("sessions", "list", **anew).stdout


@pytest.mark.parametrize(("field", "hint"), [("session_id", "--as NEW_ID"), ("agent", "--agent")])
def test_a_name_that_no_command_takes_is_not_imported_or_shown(
    agent: Path, tmp_path: Path, field: str, hint: str
) -> None:
    file = tmp_path / "s1.jsonl"
    emonk("sessions", "export", "s1", "-o", file)
    head, *events = file.read_text().splitlines()
    described = json.loads(head)
    described["session"][field] = "x\x1b]0;owned\x07"
    file.write_text("\n".join([json.dumps(described), *events]))
    told = refused("sessions", "import", file)
    assert hint in told
    assert "\x1b" not in told
    assert emonk("sessions", "import", file, "--as", "s2", "--agent", "other").stdout == "s2\n"


def test_what_cannot_be_imported_is_one_line_with_its_number(agent: Path, tmp_path: Path) -> None:
    file = tmp_path / "s1.jsonl"
    emonk("sessions", "export", "s1", "-o", file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    assert "s1.jsonl:5: ends at revision 4 of 5" in refused("sessions", "import", file, "--as", "s2")
    file.write_text("".join([*lines[:2], "{broken\n", *lines[3:]]))
    assert "s1.jsonl:3: is no JSON object" in refused("sessions", "import", file, "--as", "s2")
    assert "cannot read" in refused("sessions", "import", tmp_path / "none")
    (tmp_path / "empty").touch()
    assert "does not say whose session it is (add --agent)" in refused("sessions", "import", tmp_path / "empty")
    assert "no usable name" in refused("sessions", "import", file, "--as", " ")
    assert listed() == ["s1"]


def test_a_title_is_changed(agent: Path) -> None:
    assert emonk("sessions", "rename", "s1", "About\nAda").stdout == "About Ada\n"
    assert emonk("sessions", "list").stdout.endswith("About Ada\n")
    assert "the title is empty" in refused("sessions", "rename", "s1", " ")
    assert "there is no session 's2'" in refused("sessions", "rename", "s2", "x")


def test_deleting_asks_first_and_nobody_to_ask_is_a_no(agent: Path) -> None:
    assert "add --yes where nobody can be asked" in refused("sessions", "delete", "s1")
    with Terminal("sessions", "delete", "s1") as terminal:
        terminal.expect("delete s1 of helper, 1 message: greet Ada? [y/N]")
        terminal.type("\n")
        assert terminal.end() == 1
    assert listed() == ["s1"]
    with Terminal("sessions", "delete", "s1") as terminal:
        terminal.expect("[y/N]")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert listed() == []
    assert "there is no session 's1'" in refused("sessions", "delete", "s1", "--yes")


def import_old(agent: Path, *names: str) -> None:
    """Sessions that were last active 100 days ago."""
    file = agent.parent / "s1.jsonl"
    emonk("sessions", "export", "s1", "-o", file)
    head, *events = file.read_text().splitlines()
    whole = json.loads(head)
    whole["session"]["last_active"] -= 100 * DAY
    file.write_text("\n".join([json.dumps(whole), *events]))
    for name in names:
        assert emonk("sessions", "import", file, "--as", name).returncode == 0


def test_old_sessions_are_pruned_and_a_dry_run_only_lists_them(agent: Path) -> None:
    import_old(agent, "old")
    would = emonk("sessions", "prune", "--older-than", "90d", "--dry-run")
    assert would.stdout.startswith("would delete old of helper, last active ")
    assert would.stderr == "1 would be deleted\n"
    assert len(listed()) == 2
    assert emonk("sessions", "prune", "-y", "--older-than", "101d").stderr == "0 deleted\n"
    assert emonk("sessions", "prune", "-y", "--older-than", "90d", "--agent", "other").stderr == "0 deleted\n"
    pruned = emonk("sessions", "prune", "--yes", "--older-than", "90d")
    assert (pruned.returncode, pruned.stderr) == (0, "1 deleted\n")
    assert listed() == ["s1"]
    assert "--older-than is '90 years'" in refused("sessions", "prune", "--older-than", "90 years")


def test_pruning_asks_first_and_nobody_to_ask_is_a_no(agent: Path) -> None:
    import_old(agent, "old", "older")
    prune = ("sessions", "prune", "--older-than", "90d")
    assert "deleting needs a yes (add --yes where nobody can be asked)" in refused(*prune)
    with Terminal(*prune) as terminal:
        terminal.expect("delete 2 sessions of helper? [y/N]")
        terminal.type("\n")
        assert terminal.end() == 1
    assert len(listed()) == 3
    emonk("sessions", "import", agent.parent / "s1.jsonl", "--as", "oldest", "--agent", "other")
    with Terminal(*prune) as terminal:
        terminal.expect("delete 3 sessions of 2 agents? [y/N]")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert listed() == ["s1"]
    with Terminal(*prune) as terminal:
        assert terminal.end() == 0
    assert "[y/N]" not in terminal.seen


async def ask_people(*sessions: str) -> None:
    """Leave a question open in each session."""
    store = await connect(f"sqlite:///{database()}")
    for name in sessions:
        session = SessionKey("helper", name)
        asked = Put(
            namespace="approvals",
            key=name,
            data=b"{}",
            expected_version=0,
            session=session,
            state=ApprovalState.PENDING,
        )
        await store.put([asked])
    await store.aclose()


def test_pruning_names_what_it_keeps(agent: Path) -> None:
    import_old(agent, "a", "b", "c", "d", "e")
    asyncio.run(ask_people("a"))
    prune = ("sessions", "prune", "--older-than", "90d")
    dry = emonk(*prune, "--dry-run").stderr
    assert dry == "4 would be deleted, 1 kept: something is open in it (a)\n"
    asyncio.run(ask_people("b", "c", "d"))
    pruned = emonk(*prune, "--yes").stderr
    assert pruned.startswith("1 deleted, 4 kept: something is open in them (")
    assert pruned.endswith(" and 1 more)\n")
    assert set(listed()) == {"s1", "a", "b", "c", "d"}


def database() -> Path:
    return Path(os.environ["EMONK_DATA_DIR"]) / "emonk.db"


def test_a_database_of_a_newer_version_is_one_line(agent: Path) -> None:
    with sqlite3.connect(database()) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for command in (("list",), ("show", "s1"), ("delete", "s1", "--yes"), ("rename", "s1", "x")):
        assert "was written by a newer emonk (schema 99" in refused("sessions", *command)


def test_a_database_that_somebody_else_writes_to_can_be_read_and_says_so_to_who_writes(agent: Path) -> None:
    connection = sqlite3.connect(database(), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        line = refused("sessions", "rename", "s1", "x", code=1)
    finally:
        connection.execute("ROLLBACK")
        connection.close()
    assert "emonk.db" in line
    assert listed() == ["s1"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_database_that_may_only_be_read_is_one_line(agent: Path) -> None:
    database().chmod(0o400)
    database().parent.chmod(0o500)
    try:
        assert "emonk.db" in refused("sessions", "delete", "s1", "--yes", code=2)
    finally:
        database().parent.chmod(0o700)
        database().chmod(0o600)


def test_on_a_full_disk_an_import_is_one_line_and_keeps_nothing(agent: Path, tmp_path: Path) -> None:
    file = tmp_path / "s1.jsonl"
    emonk("sessions", "export", "s1", "-o", file)
    file.write_text(file.read_text().replace("greet Ada", "greet Ada" + "x" * 5_000_000))
    limit = f"ulimit -f {database().stat().st_size // 1024 + 1000}; exec "
    command = limit + shlex.join([*EMONK, "sessions", "import", str(file), "--as", "big"])
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert "emonk.db" in ended.stderr
    assert listed() == ["s1"]
    assert emonk("sessions", "import", file, "--as", "big").stdout == "big\n"
    assert len(emonk("sessions", "show", "big").stdout) > 5_000_000


def test_a_message_that_is_no_text_is_one_line_and_a_long_one_is_kept(agent: Path) -> None:
    ended = emonk("chat", agent, "-m", "a\udcffb")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "error: the message holds half a character" in ended.stderr.splitlines()[-1]
    assert emonk("chat", agent, "--session", "long", stdin="hello " * 900_000).returncode in {0, 1}
    assert len(emonk("sessions", "show", "long").stdout) > 5_000_000
