"""What earlier versions wrote is read by this one: `scripts/fixtures.py` of each wrote `tests/fixtures`."""

import asyncio
import importlib.util
import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from emonk import Agent
from emonk.events import Event, KnownEvent, Opaque, UserSaid, decode, encode
from emonk.records import SessionKey
from emonk.store.connect import connect
from emonk.store.memory_protocol import MemoryScope
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.model import ScriptedModel
from tests.conftest import PROJECT

VERSIONS = sorted((PROJECT / "tests" / "fixtures").glob("schema-*"))
KEY = SessionKey("helper", "s1")

each_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)


def written() -> list[Event]:
    """The log that each of them wrote."""
    spec = importlib.util.spec_from_file_location("fixtures", PROJECT / "scripts" / "fixtures.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.every_event())


def known_to(version: Path, event: Event) -> Event:
    """The event as a version could say it: it leaves at their defaults the fields that it did not have."""
    later: dict[str, Any] = (
        {"patient": False, "lead": False, "correctable": False} if version.name == "schema-1" else {}
    )
    fields = {name: value for name, value in later.items() if name in event.__struct_fields__}
    return msgspec.structs.replace(event, **fields)


def expected(version: Path) -> list[Event]:
    log = written()
    if version in VERSIONS[:3]:  # before the log said who answers
        log = log[: next(n for n, event in enumerate(log) if isinstance(event, UserSaid) and event.message_id == "m5")]
    return [known_to(version, event) for event in log]


def turns(version: Path) -> int:
    """How many messages of users the log of a version has."""
    return sum(isinstance(event, UserSaid) for event in expected(version))


def test_there_is_one_of_each_schema_so_far() -> None:
    assert [path.name for path in VERSIONS] == ["schema-1", "schema-2", "schema-3", "schema-4", "schema-5"]


def test_what_is_written_has_every_kind() -> None:
    assert {type(event) for event in written()} == {*get_args(KnownEvent), Opaque}


@each_version
def test_every_kind_of_event_is_read(version: Path) -> None:
    events = [decode(line) for line in (version / "events.jsonl").read_bytes().splitlines()]
    assert events == expected(version)
    assert [decode(encode(event)) for event in events] == events


@each_version
def test_an_export_is_imported(version: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with Agent("helper", ScriptedModel(["Rain."]), store=f"sqlite:///{tmp_path / 'new.db'}") as agent:
            lines = (version / "export.jsonl").read_text(encoding="utf-8").splitlines()
            session = await agent.sessions.import_(lines, session_id="back")
            assert (session.participants, session.message_count) == (("ann", "bob"), turns(version))
            assert session.context_compressed
            log = await agent.store.read(session.key)
            assert [logged.event for logged in log] == expected(version)
            assert (await agent.process_message("And now?", session_id="back")).text == "Rain."

    asyncio.run(main())


@each_version
def test_a_database_is_opened_and_gone_on_with(version: Path, tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    shutil.copyfile(version / "sessions.db", file)

    async def main() -> None:
        async with Agent("helper", ScriptedModel(["Rain."] * 3), store=f"sqlite:///{file}") as agent:
            assert [logged.event for logged in await agent.store.read(KEY)] == expected(version)
            session = await agent.sessions.load("s1", user_id="bob")
            assert (session.user_id, session.revision, session.message_count) == (
                "ann",
                len(expected(version)),
                turns(version),
            )
            assert (session.title, session.context_compressed, session.metadata) == ("Weather in Paris? ☀", True, {})
            reply = await agent.store.reply(KEY, "m1")
            assert reply is not None
            assert (reply.text, reply.cost_usd) == ("Sunny.", Decimal("0.0003"))
            assert (await agent.process_message("Again", session_id="s1", message_id="m1")) == reply
            assert (await agent.process_message("And now?", session_id="s1")).text == "Rain."
            assert await agent.store.due("helper") == [SessionKey("helper", "waiting")]
            resumed = await agent.resume("waiting")
            assert resumed is not None
            assert resumed.text == "Rain."
            odd = 'a/b "c" ü \U0001f412'
            assert (await agent.sessions.load(odd)).revision == 2
            await agent.sessions.delete(odd)
            assert len([line async for line in agent.sessions.export("s1")]) == len(expected(version)) + 4

    asyncio.run(main())


@pytest.mark.parametrize("version", VERSIONS[2:], ids=lambda path: path.name)
def test_records_costs_and_memories_are_read_since_they_are_kept(version: Path, tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    shutil.copyfile(version / "sessions.db", file)

    async def main() -> None:
        store = await connect(f"sqlite:///{file}")
        record = await store.record("notes", "a/b")
        assert record is not None
        assert (record.data, record.state, record.version) == (b"\0\xff", "new", 1)
        assert [one.key for one in await store.records("notes", session=KEY)] == ["of s1"]
        (row,) = await store.usage_rows(UsageFilter(session_id="s1"))
        assert (row.cost_usd, row.usage.cached_input_tokens) == (Decimal("0.000000000001"), 1000)
        known = ("m1", "worker", "gemini:pro", {"input": "0.1"}, Decimal("0.25"))
        later: tuple[object, ...] = known if version.name != "schema-3" else ("", "", "", {}, None)
        assert (row.message_id, row.role, row.lead, row.price, row.estimate_usd) == later
        (memory,) = await store.search_memory(MemoryScope("helper", "ann"), "zurich")
        assert memory.text == "Ann lives in Zürich."
        titled = await store.session(SessionKey("helper", "titled"))
        assert titled is not None
        assert (titled.title, titled.metadata) == ("Trips", {"team": 7})
        await store.aclose()

    asyncio.run(main())


def test_a_database_of_this_version_is_the_newest_that_is_kept(tmp_path: Path) -> None:
    """Who adds a migration keeps what its code writes, too."""

    async def main() -> None:
        await (await connect(f"sqlite:///{tmp_path / 'new.db'}")).aclose()

    asyncio.run(main())
    versions: list[int] = []
    for file in (tmp_path / "new.db", VERSIONS[-1] / "sessions.db"):
        connection = sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)
        versions.append(connection.execute("PRAGMA user_version").fetchone()[0])
        connection.close()
    assert versions[0] == versions[1]


@pytest.mark.parametrize("event", written(), ids=lambda event: type(event).__name__)
def test_a_field_of_a_newer_version_is_left_alone(event: Event) -> None:
    newer = msgspec.json.decode(encode(event)) | {"mood": {"deep": [1]}}
    read = decode(msgspec.json.encode(newer))
    if isinstance(event, Opaque):
        assert encode(read) == msgspec.json.encode(newer)
    else:
        assert read == event


def test_a_kind_of_a_newer_version_is_kept_as_it_was_written() -> None:
    data = b'{"kind":"approval_asked","version":7,"who":["ann"],"amount":0.10}'
    assert msgspec.json.decode(encode(decode(data))) == msgspec.json.decode(data)
