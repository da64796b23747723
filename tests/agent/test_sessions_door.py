"""The sessions of an agent: made, found, named, taken away, brought back, deleted and expired, by whoever may."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emonk import Agent
from emonk.agent.lines import event_json
from emonk.clock import MICROSECONDS, timestamp
from emonk.errors import Conflict, InvalidArguments, InvalidConfig, SessionNotFound, Unavailable
from emonk.events import InboxItem, Logged, Opaque, UserSaid
from emonk.messages import Text
from emonk.records import ApprovalState, EffectState, SessionKey
from emonk.store.owners import enlist
from emonk.store.protocol import TITLE_LENGTH, Release
from emonk.store.record_protocol import Put
from emonk.testing.memory_store import MemoryDatabase
from emonk.testing.virtual_loop import SimClock
from emonk.testing.virtual_loop import run as run_virtually
from tests.agent.weather import weather_agent

DAY = 86400 * MICROSECONDS


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def agent_of(folder: Path, *answers: Any, **settings: Any) -> Agent:
    return weather_agent(answers or ["hello"] * 20, f"sqlite:///{folder / 'sessions.db'}", **settings)[0]


async def lines_of(agent: Agent, session_id: str) -> list[bytes]:
    return [line async for line in agent.sessions.export(session_id)]


async def put_record(agent: Agent, namespace: str, session_id: str, state: str) -> None:
    key = SessionKey(agent.name, session_id)
    data = b'{"tool":"post_tweet"}'
    await agent.store.put([Put(namespace=namespace, key="k", data=data, expected_version=0, session=key, state=state)])


def test_a_session_begins_before_its_first_message(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            made = await agent.sessions.create("ann", session_id="s1", title="Trips", metadata={"team": 7})
            assert (made.user_id, made.title, made.metadata, made.revision) == ("ann", "Trips", {"team": 7}, 0)
            assert await agent.sessions.load("s1", user_id="ann") == made
            await agent.process_message("hi", session_id="s1", user_id="ann")
            known = await agent.sessions.load("s1")
            assert (known.title, known.metadata, known.message_count) == ("Trips", {"team": 7}, 1)
            with pytest.raises(Conflict):
                await agent.sessions.create("ann", session_id="s1")
            assert (await agent.sessions.create("ann")).session_id != "s1"
            with pytest.raises(InvalidConfig):
                await agent.sessions.create("ann", metadata={"x": "y" * 70_000})

    run(main())


def test_for_who_has_no_part_a_session_is_not_there(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            await agent.process_message("hi", session_id="s1", user_id="ann")
            told: set[str] = set()
            for session_id in ("s1", "none"):
                for attempt in (
                    agent.sessions.load(session_id, user_id="bob"),
                    agent.sessions.rename(session_id, "mine", user_id="bob"),
                    agent.sessions.delete(session_id, user_id="bob"),
                    anext(agent.sessions.export(session_id, user_id="bob")),
                ):
                    with pytest.raises(SessionNotFound) as caught:
                        await attempt
                    told.add(str(caught.value).replace(session_id, "ID"))
            assert told == {"there is no session 'ID'"}
            assert (await agent.sessions.list("bob")).sessions == ()
            assert (await agent.sessions.load("s1")).title == "hi"

    run(main())


@pytest.mark.parametrize("name", ["a/b", "it's", 'a"b', "\U0001f412", "x" * 10_000, "nul\0", "a\nb", "%", "_"])
def test_any_text_names_a_session(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            await agent.process_message("hi", session_id=name, user_id=name)
            assert (await agent.sessions.load(name, user_id=name)).session_id == name
            assert len((await agent.sessions.list(name)).sessions) == 1
            lines = await lines_of(agent, name)
            await agent.sessions.delete(name, user_id=name)
            assert (await agent.sessions.import_(lines)).session_id == name

    run(main())


def test_half_a_character_is_refused_and_a_long_unknown_name_makes_no_long_message(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            for attempt in (
                agent.sessions.load("\udc80"),
                agent.sessions.create("\udc80"),
                agent.sessions.create("ann", title="\udc80"),
                agent.sessions.list("\udc80"),
            ):
                with pytest.raises(InvalidArguments):
                    await attempt
            with pytest.raises(SessionNotFound) as caught:
                await agent.sessions.load("x" * 10_000)
            assert len(str(caught.value)) < 200

    run(main())


def test_pages_lead_to_every_session_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            for number in range(7):
                await agent.sessions.create("ann", session_id=f"s{number}")
            await agent.sessions.create("bob", session_id="other")
            seen: list[str] = []
            before = None
            while True:
                page = await agent.sessions.list("ann", limit=3, before=before)
                seen += [one.session_id for one in page.sessions]
                if (before := page.before) is None:
                    break
            assert seen == [f"s{number}" for number in reversed(range(7))]
            with pytest.raises(InvalidArguments):
                await agent.sessions.list(limit=0)

    run(main())


def test_a_title_is_one_short_line(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            await agent.process_message("hi", session_id="s1")
            renamed = await agent.sessions.rename("s1", "Trips\nto " + "far " * 100)
            assert "\n" not in renamed.title
            assert renamed.title.startswith("Trips to far")
            assert len(renamed.title) <= TITLE_LENGTH
            assert await agent.sessions.load("s1") == renamed

    run(main())


def test_a_deleted_session_takes_all_with_it_and_may_begin_anew(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            await agent.process_message("hi", session_id="s1", message_id="m1")
            await put_record(agent, "notes", "s1", "")
            await agent.sessions.delete("s1")
            with pytest.raises(SessionNotFound):
                await agent.sessions.delete("s1")
            assert await agent.store.read(SessionKey(agent.name, "s1")) == []
            assert await agent.store.record("notes", "k") is None
            assert (await agent.process_message("hi", session_id="s1", message_id="m1")).status == "done"
            assert (await agent.sessions.load("s1")).revision == 3

    run(main())


def test_a_session_is_not_deleted_while_a_turn_runs(tmp_path: Path) -> None:
    async def main() -> None:
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def slow(_: Any) -> str:
            asked.set()
            await go_on.wait()
            return "done"

        async with agent_of(tmp_path, slow) as agent:
            turn = asyncio.create_task(agent.process_message("hi", session_id="s1"))
            await asked.wait()
            with pytest.raises(Unavailable) as caught:
                await agent.sessions.delete("s1")
            assert caught.value.code == "session_busy"
            go_on.set()
            assert (await turn).text == "done"
            await agent.sessions.delete("s1")

    run(main())


@pytest.mark.parametrize("state", [EffectState.SENDING, EffectState.UNKNOWN])
def test_a_session_with_an_effect_that_may_have_acted_stays(tmp_path: Path, state: EffectState) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            await agent.process_message("hi", session_id="s1")
            await put_record(agent, "effects", "s1", state)
            with pytest.raises(Unavailable, match="post_tweet") as caught:
                await agent.sessions.delete("s1")
            assert caught.value.code == "effects_open"
            assert (await agent.sessions.load("s1")).revision == 3

    run(main())


def test_what_is_exported_can_be_imported_elsewhere(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "other").mkdir()
        async with agent_of(tmp_path) as agent, agent_of(tmp_path / "other") as other:
            await agent.sessions.create("ann", session_id="s1", title="Trips", metadata={"team": 7})
            await agent.process_message("hi", session_id="s1", user_id="ann")
            await agent.process_message("and?", session_id="s1", user_id="bob")
            lines = await lines_of(agent, "s1")
            imported = await other.sessions.import_([line.decode() for line in lines])
            assert imported == await agent.sessions.load("s1") == await other.sessions.load("s1", user_id="bob")
            key = SessionKey("weather", "s1")
            assert await other.store.read(key) == await agent.store.read(key)
            assert await lines_of(other, "s1") == lines
            assert (await other.process_message("more", session_id="s1", user_id="ann")).status == "done"

            with pytest.raises(Conflict):
                await agent.sessions.import_(lines)
            copy = await agent.sessions.import_(lines, session_id="s2", user_id="eve")
            assert copy.participants == ("ann", "bob", "eve")
            assert (await lines_of(agent, "s2"))[1:] == lines[1:]

    run(main())


def test_an_export_holds_pages_of_events_and_unknown_kinds_as_they_were(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            events = [Logged(n, n, Opaque("novelty", {"kind": "novelty", "n": n})) for n in range(1, 1202)]
            await agent.sessions.import_([msgspec.json.encode(event_json(one)) for one in events], session_id="s1")
            assert await agent.store.read(SessionKey("weather", "s1")) == events
            assert len(await lines_of(agent, "s1")) == 1202

    run(main())


SAID = '{"revision":1,"at":5,"kind":"user_message","message_id":"m","user_id":"u","trace_id":"t","parts":[]}'
HEADER = (
    '{"format":"emonk.session","version":1,"session":{"agent":"a","session_id":"s","user_id":"u","participants":["u"],'
    '"created_at":1,"last_active":5,"revision":1}}'
)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "file:1: there is no event"),
        (["nonsense"], "file:1: is no JSON object"),
        (["[1]"], "file:1: is no JSON object"),
        ([b"\xff\xfe"], "file:1: is no JSON object"),
        (["[" * 100_000], "file:1: is n"),
        ([SAID, "{}"], "file:2: is no event"),
        ([SAID, SAID], "file:2: has revision 1 where 2 follows"),
        ([SAID, "", SAID.replace(':1,"at"', ':2,"at"').replace("user_id", "usr")], "file:3: is no event of its kind"),
        ([SAID.replace('"at":5', '"at":-5')], "file:1: has the time -5"),
        ([SAID.replace('"at":5', '"at":99999999999999999999')], "file:1: has the time"),
        ([SAID.replace('"at":5', '"at":true')], "file:1: is no event"),
        ([SAID.replace('"revision":1,', "")], "file:1: is no event"),
        ([SAID.replace('"kind":"user_message",', "")], "file:1: is no event"),
        ([HEADER], "file:1: ends at revision 0 of 1"),
        ([SAID, HEADER], "file:2: a second session begins"),
        ([HEADER.replace('"version":1', '"version":2')], "file:1: was written by a newer emonk"),
        ([HEADER.replace('"version":1', '"version":"x"')], "file:1: is of the version"),
        ([HEADER.replace("emonk.session", "other")], "file:1: is of the format 'other'"),
        ([HEADER.replace('["u"]', "7")], "file:1: describes no session"),
        (
            [HEADER.replace('"last_active":5', f'"last_active":{10**30}')],
            "file:1: describes no session: its last_active",
        ),
        ([HEADER.replace('"session_id":"s"', '"session_id":""')], "file:1: describes no session"),
        ([SAID.replace('"at":5', '"at":9223372036854775807')], "file:1: has the time"),
        ([HEADER.replace('"last_active":5', '"last_active":9223372036854775807')], "file:1: describes no session"),
        ([HEADER.replace('"created_at":1', '"created_at":-1')], "file:1: describes no session: its created_at is -1"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_is_kept(
    tmp_path: Path, lines: Sequence[str | bytes], told: str
) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            with pytest.raises(InvalidConfig) as caught:
                await agent.sessions.import_(lines, name="file")
            assert str(caught.value).startswith(told)
            assert (await agent.sessions.list()).sessions == ()

    run(main())


def test_fields_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            newer = [HEADER.replace('"revision":1}', '"revision":1,"mood":"fine"}'), SAID.replace("}", ',"mood":1}')]
            assert (await agent.sessions.import_(newer)).revision == 1

    run(main())


async def left_over(agent: Agent, session_id: str) -> None:
    """A session that waits for its turn."""
    said = UserSaid(message_id="m", user_id="u", trace_id="t", parts=(Text("hello?"),))
    await agent.store.accept(InboxItem(SessionKey(agent.name, session_id), "m", "u", said))


@pytest.mark.parametrize("anew", [False, True], ids=["gone", "begun anew"])
def test_who_waits_in_a_session_that_is_deleted_is_told_or_answered_in_the_new_one(anew: bool) -> None:
    async def main(clock: SimClock) -> None:
        store, key = MemoryDatabase(clock).open(), SessionKey("weather", "s")
        async with weather_agent(["hello"], store, clock=clock)[0] as agent:
            said = UserSaid(message_id="m", user_id="u", trace_id="t", parts=(Text("?"),))
            held = (await store.accept(InboxItem(key, "m", "u", said), owner=enlist())).claimed
            assert held is not None
            waits = asyncio.create_task(agent.process_message("well?", session_id="s"))
            await asyncio.sleep(1)
            await store.commit((Release(),), fence=held.lease, expected_revision=held.revision)
            assert await store.delete(key)
            if anew:
                await agent.sessions.create(session_id="s")
                assert (await asyncio.wait_for(waits, 60)).text == "hello"
            else:
                with pytest.raises(SessionNotFound, match="was deleted before"):
                    await asyncio.wait_for(waits, 60)

    run_virtually(main)


def test_only_what_is_idle_and_finished_is_pruned(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path) as agent:
            for name in ("plain", "prepared", "unknown", "asked", "held", "done"):
                await agent.process_message("hi", session_id=name)
            await left_over(agent, "waiting")
            for name, namespace, state in (
                ("prepared", "effects", EffectState.PREPARED),
                ("asked", "approvals", ApprovalState.PENDING),
            ):
                await put_record(agent, namespace, name, state)
            key = SessionKey(agent.name, "unknown")
            await agent.store.put(
                [Put(namespace="effects", key="2", data=b"", expected_version=0, session=key, state="unknown")]
            )
            await agent.store.put(
                [
                    Put(
                        namespace="effects",
                        key="3",
                        data=b"{}",
                        expected_version=0,
                        session=SessionKey(agent.name, "done"),
                        state="done",
                    )
                ]
            )
            said = UserSaid(message_id="n", user_id="u", trace_id="t", parts=(Text("hello?"),))
            owner = enlist()
            item = InboxItem(SessionKey(agent.name, "held"), "n", "u", said)
            accepted = await agent.store.accept(item, owner=owner)

            early = await agent.sessions.prune(timestamp() - DAY)
            assert early.sessions == ()
            later = timestamp() + DAY
            would = await agent.sessions.prune(later, dry_run=True)
            assert {"plain", "done"} <= {one.session_id for one in would.sessions}
            assert len((await agent.sessions.list()).sessions) == 7

            removed: set[str] = set()
            kept: set[str] = set()
            before = None
            while True:
                page = await agent.sessions.prune(later, limit=2, before=before)
                removed |= {one.session_id for one in page.sessions}
                kept |= {one.session_id for one in page.kept}
                if (before := page.before) is None:
                    break
            assert removed == {"plain", "done"}
            assert kept == {one.session_id for one in (await agent.sessions.list()).sessions}
            assert accepted.claimed is not None
            lease, revision = accepted.claimed.lease, accepted.claimed.revision
            await agent.store.commit([Release()], fence=lease, expected_revision=revision)

    run(main())
