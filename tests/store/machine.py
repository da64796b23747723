"""Any order of calls on a store gives what the reference gives."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from emonk.clock import timestamp
from emonk.errors import StaleSession
from emonk.records import Lease, Owner, Reply, SessionKey
from emonk.store.connect import connect
from emonk.store.owners import enlist, retire
from emonk.store.protocol import Append, Claimed, Finish, Operation, Release
from emonk.testing.clock import ManualClock
from emonk.testing.store_conformance.rig import message, note

from .reference import Reference

KEYS = [SessionKey("clerk", name) for name in ("s1", "s2")]
MESSAGES = st.sampled_from([f"m{number}" for number in range(24)])
SESSIONS = st.sampled_from(KEYS)
OWNERS = st.integers(0, 2)


class StoreMachine(RuleBasedStateMachine):
    """Three owners, two sessions, and every lease that was ever granted."""

    def __init__(self) -> None:
        super().__init__()
        self.reference = Reference()
        self.clock = ManualClock()
        self.leases: list[tuple[Lease, str]] = []
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
        off=st.sampled_from([0, 0, 0, 0, 1, -1]),
        finish=st.booleans(),
        release=st.booleans(),
    )
    def commit(self, data: st.DataObject, events: int, off: int, finish: bool, release: bool) -> None:
        if not self.leases:
            return
        lease, message_id = data.draw(st.sampled_from(self.leases[-4:]))
        operations: list[Operation] = [Append(tuple(note(str(number)) for number in range(events)))]
        if finish:
            name = lease.session.session_id
            reply = Reply(text="ok", status="done", session_id=name, message_id=message_id, trace_id="")
            operations.append(Finish(reply))
        if release:
            operations.append(Release())
        revision = len(self.reference.sessions[lease.session].log) + off
        try:
            expected = self.reference.commit(lease.session, lease.fence, revision, operations)
        except StaleSession:
            with pytest.raises(StaleSession):
                self.runner.run(self.committed(operations, lease, revision))
        else:
            assert self.runner.run(self.committed(operations, lease, revision)) == expected

    async def committed(self, operations: list[Operation], lease: Lease, revision: int) -> int:
        return await self.store.commit(operations, fence=lease, expected_revision=revision)

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
            assert info.message_count == sum(message.revision is not None for message in session.messages)
        assert self.runner.run(self.store.due("clerk")) == self.reference.due()

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
