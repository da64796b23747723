"""Any order of calls on a store gives what the reference gives."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from emonk.clock import timestamp
from emonk.errors import Conflict, StaleSession, Unavailable
from emonk.events import Logged
from emonk.records import Lease, Owner, Reply, Session, SessionKey
from emonk.store.connect import connect
from emonk.store.memory_protocol import MemoryScope
from emonk.store.owners import enlist, retire
from emonk.store.protocol import Append, Claimed, Finish, Operation, Release
from emonk.store.record_protocol import Put
from emonk.testing.clock import ManualClock
from emonk.testing.store_conformance.rig import message, note

from .reference import Reference

KEYS = [SessionKey("clerk", name) for name in ("s1", "s2")]
MESSAGES = st.sampled_from([f"m{number}" for number in range(24)])
SESSIONS = st.sampled_from(KEYS)
OWNERS = st.integers(0, 2)
RECORDS = st.sampled_from(["a", "b", "ü/\0"])
OFF = st.sampled_from([0, 0, 0, 0, 1, -1])
TEXTS = st.lists(st.sampled_from(["tea", "TEA", "green", "Grün", "grun", "茶", "-"]), max_size=3).map(" ".join)
SCOPE = MemoryScope("clerk", "ada")


class StoreMachine(RuleBasedStateMachine):
    """Three owners, two sessions, and every lease that was ever granted."""

    def __init__(self) -> None:
        super().__init__()
        self.reference = Reference()
        self.clock = ManualClock()
        self.leases: list[tuple[Lease, str]] = []
        self.exports: list[tuple[Session, list[Logged]]] = []
        self.runner = asyncio.Runner()
        self.url = self.empty()
        self.owners: list[Owner] = [enlist() for _ in range(3)]

    def empty(self) -> str:
        """The URL of an empty database."""
        raise NotImplementedError

    @initialize()
    def open(self) -> None:
        self.store = self.runner.run(connect(self.url, clock=self.clock))
        self.reference.now = timestamp(self.clock)

    @rule(key=SESSIONS, message_id=MESSAGES, user_id=st.sampled_from(["ada", "bob"]), owner=st.none() | OWNERS)
    def accept(self, key: SessionKey, message_id: str, user_id: str, owner: int | None) -> None:
        who = None if owner is None else self.owners[owner]
        item = message(f"text of {message_id}", session=key, message_id=message_id, user_id=user_id)
        expected = self.reference.accept(key, message_id, user_id, item.event, who)
        accepted = self.runner.run(self.store.accept(item, owner=who))
        assert (f"{accepted.state} claimed" if accepted.claimed else accepted.state) == expected
        known = self.reference.sessions[key].find(message_id)
        assert accepted.reply == (known.reply if known else None)
        self.granted(accepted.claimed)

    @rule(key=SESSIONS, owner=OWNERS)
    def claim(self, key: SessionKey, owner: int) -> None:
        session = self.reference.sessions.get(key)
        waiting = session.next if session else None
        begun = waiting is not None and waiting.revision is not None
        expected = self.reference.claim(key, self.owners[owner])
        claimed = self.runner.run(self.store.claim(key, self.owners[owner]))
        assert (claimed is not None) == expected
        if claimed is not None and waiting is not None:
            assert claimed.resumed == begun
            assert (claimed.item.message_id, claimed.item.event) == (waiting.message_id, waiting.event)
        self.granted(claimed)

    @rule(
        data=st.data(),
        events=st.integers(0, 3),
        off=OFF,
        record=st.none() | RECORDS,
        finish=st.booleans(),
        release=st.booleans(),
    )
    def commit(
        self, data: st.DataObject, events: int, off: int, record: str | None, finish: bool, release: bool
    ) -> None:
        if not self.leases:
            return
        lease, message_id = data.draw(st.sampled_from(self.leases[-4:]))
        operations: list[Operation] = [Append(tuple(note(str(number)) for number in range(events)))]
        if finish:
            name = lease.session.session_id
            reply = Reply(text="ok", status="done", session_id=name, message_id=message_id, trace_id="")
            operations.append(Finish(reply))
        if record is not None:
            operations.append(self.putting(record, data.draw(OFF), None))
        if release:
            operations.append(Release())
        session = self.reference.sessions.get(lease.session)
        revision = max(0, (len(session.log) if session else 0) + off)
        try:
            expected = self.reference.commit(lease.session, lease.fence, revision, operations)
        except (StaleSession, Conflict) as error:
            with pytest.raises(type(error)):
                self.runner.run(self.committed(operations, lease, revision))
        else:
            assert self.runner.run(self.committed(operations, lease, revision)) == expected

    async def committed(self, operations: list[Operation], lease: Lease, revision: int) -> int:
        return await self.store.commit(operations, fence=lease, expected_revision=revision)

    @rule(keys=st.sets(RECORDS, min_size=1), off=OFF, session=st.none() | SESSIONS)
    def put(self, keys: set[str], off: int, session: SessionKey | None) -> None:
        puts = [self.putting(key, off, session) for key in sorted(keys)]
        try:
            self.reference.put(puts)
        except Conflict:
            with pytest.raises(Conflict):
                self.runner.run(self.store.put(puts))
        else:
            written = self.runner.run(self.store.put(puts))
            assert [record.version for record in written] == [put.expected_version + 1 for put in puts]

    def putting(self, key: str, off: int, session: SessionKey | None) -> Put:
        present = self.reference.records.get(key)
        version = max(0, (present.version if present else 0) + off)
        data = f"{key} {version}".encode()
        return Put(namespace="things", key=key, data=data, expected_version=version, session=session, state="open")

    @rule(key=RECORDS)
    def remove(self, key: str) -> None:
        present = self.reference.records.pop(key, None)
        version = present.version if present else 1
        if present is None:
            with pytest.raises(Conflict):
                self.runner.run(self.store.remove("things", key, expected_version=version))
        else:
            self.runner.run(self.store.remove("things", key, expected_version=version))

    @rule(key=SESSIONS)
    def export(self, key: SessionKey) -> None:
        session = self.runner.run(self.store.session(key))
        if session is not None:
            self.exports.append((session, self.runner.run(self.store.read(key))))

    @rule(key=SESSIONS)
    def delete(self, key: SessionKey) -> None:
        self.wait(1)
        expected = self.reference.delete(key)
        if expected is None:
            with pytest.raises(Unavailable):
                self.runner.run(self.store.delete(key))
        else:
            assert self.runner.run(self.store.delete(key)) == expected

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        if not self.exports:
            return
        session, events = data.draw(st.sampled_from(self.exports[-3:]))
        users = frozenset(session.participants)
        log = [entry.event for entry in events]
        try:
            self.reference.restore(session.key, log, session.message_count, users)
        except Conflict:
            with pytest.raises(Conflict):
                self.runner.run(self.store.restore(session, events))
        else:
            self.runner.run(self.store.restore(session, events))
            assert self.runner.run(self.store.session(session.key)) == session

    @rule(key=RECORDS, text=TEXTS)
    def remember(self, key: str, text: str) -> None:
        self.reference.memories[key] = text
        assert self.runner.run(self.store.remember(SCOPE, key, text)).text == text

    @rule(key=RECORDS)
    def forget(self, key: str) -> None:
        known = self.reference.memories.pop(key, None) is not None
        assert self.runner.run(self.store.forget(SCOPE, key)) == known

    @rule(query=TEXTS)
    def search(self, query: str) -> None:
        found = self.runner.run(self.store.search_memory(SCOPE, query))
        assert {kept.key for kept in found} == self.reference.search(query)
        assert all(kept.text == self.reference.memories[kept.key] for kept in found)

    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        if not self.leases:
            return
        lease, _ = data.draw(st.sampled_from(self.leases[-4:]))
        if self.reference.renew(lease.session, lease.fence):
            assert self.runner.run(self.store.renew(lease)).expires == self.reference.sessions[lease.session].expires
        else:
            with pytest.raises(StaleSession):
                self.runner.run(self.store.renew(lease))

    @rule(seconds=st.sampled_from([1, 29, 30, 31]))
    def wait(self, seconds: int) -> None:
        self.runner.run(self.clock.advance(seconds))
        self.reference.now = timestamp(self.clock)

    @rule(owner=OWNERS)
    def die(self, owner: int) -> None:
        """Another one comes in its place."""
        retire(self.owners[owner])
        self.reference.dead.add(self.owners[owner])
        self.owners[owner] = enlist()

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.store.aclose())
        self.open()

    @invariant()
    def same_sessions(self) -> None:
        for key, session in self.reference.sessions.items():
            logged = self.runner.run(self.store.read(key))
            assert [entry.event for entry in logged] == session.log
            assert [entry.revision for entry in logged] == list(range(1, len(logged) + 1))
            info = self.runner.run(self.store.session(key))
            assert info is not None
            assert (info.revision, set(info.participants)) == (len(session.log), session.participants)
            assert info.message_count == session.begun
        assert self.runner.run(self.store.due("clerk")) == self.reference.due()
        assert {info.key for info in self.runner.run(self.store.sessions())} == set(self.reference.sessions)

    @invariant()
    def same_records(self) -> None:
        kept = {record.key: record for record in self.runner.run(self.store.records("things"))}
        assert list(kept) == sorted(self.reference.records)
        for key, record in self.reference.records.items():
            found = kept[key]
            assert (found.version, found.data, found.session) == (record.version, record.data, record.session)

    def granted(self, claimed: Claimed | None) -> None:
        if claimed is None:
            return
        session = self.reference.sessions[claimed.item.session]
        assert (claimed.lease.fence, claimed.lease.expires) == (session.fence, session.expires)
        assert [entry.event for entry in claimed.events] == session.log
        self.leases.append((claimed.lease, claimed.item.message_id))

    def teardown(self) -> None:
        for owner in self.owners:
            retire(owner)
        self.runner.run(self.store.aclose())
        self.runner.close()


SETTINGS = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
