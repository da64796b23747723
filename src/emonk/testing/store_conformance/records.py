"""Records are changed by compare-and-set, alone, together, and with a session's log."""

# ruff: noqa: D103 - a check says in its name what it checks

import asyncio
from typing import TypeVar

import msgspec

from emonk.errors import Conflict, InvalidConfig
from emonk.records import Approval, ApprovalState, Effect, EffectState, Record, RiskLevel, SessionKey
from emonk.store.protocol import Append, Claimed, Finish, Release, Store
from emonk.store.record_protocol import RECORD_BYTES, Put
from emonk.testing.store_conformance.rig import (
    HALF,
    NOTHING,
    ODD,
    OTHER,
    SESSION,
    Check,
    Rig,
    accept_and_claim,
    answer,
    equal,
    message,
    note,
    present,
    refused,
    stale,
)

T = TypeVar("T")


async def record_is_kept_as_it_was_put(rig: Rig) -> None:
    store, start = await rig.open(), int(rig.clock.time() * 1_000_000)
    equal(await store.record("things", "a"), None, "a record that is not there")
    put = _put("a", 0, data=b"\x00\xff" * 10, session=SESSION, state="new", due_at=start + 5)
    expected = Record(
        namespace="things",
        key="a",
        data=put.data,
        version=1,
        updated_at=start,
        session=SESSION,
        state="new",
        due_at=start + 5,
    )
    equal(await store.put([put]), [expected], "what was put")
    equal(await (await rig.open()).record("things", "a"), expected, "the record seen by another holder")
    equal(await store.record("other things", "a"), None, "the same key of another namespace")
    await rig.clock.advance(1)
    changed = msgspec.structs.replace(
        expected, data=b"", version=2, updated_at=start + 1_000_000, session=None, state="", due_at=None
    )
    equal(await store.put([_put("a", 1, data=b"")]), [changed], "what was put in its place")
    equal(await store.record("things", "a"), changed, "the record")


async def version_that_is_not_the_present_one_is_refused(rig: Rig) -> None:
    store = await rig.open()
    await store.put([_put("a", 0), _put("b", 0)])
    await store.put([_put("b", 1)])
    before = await store.records("things")
    for key, version in (("a", 0), ("a", 2), ("b", 1), ("c", 1)):
        await refused(Conflict, lambda k=key, v=version: store.put([_put(k, v)]), f"{key} at {version}")
    await refused(Conflict, lambda: store.put([_put("new", 0), _put("a", 1), _put("b", 1)]), "one of three")
    equal(await store.records("things"), before, "records that nothing of it has changed")


async def only_one_of_many_changes_a_version(rig: Rig) -> None:
    stores = [await rig.open(), await rig.open()]
    for version in range(3):
        attempts = [
            stores[number % 2].put([_put("a", version, data=b"%d" % number), _put(f"{version} by {number}", 0)])
            for number in range(8)
        ]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        written = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        equal(len(written), 1, "how many of eight have written")
        equal(sum(isinstance(outcome, Conflict) for outcome in outcomes), 7, "how many were refused")
        equal(await stores[0].record("things", "a"), written[0][0], "the record")
    equal(len(await stores[1].records("things")), 4, "records: one, and one for each of its versions")


async def puts_that_cannot_be_kept_are_refused(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    largest = b"x" * RECORD_BYTES
    await store.put([_put("large", 0, data=largest)])
    equal(present(await store.record("things", "large"), "record").data, largest, "data of the largest size")
    wrong = {
        "the same record twice": [_put("a", 0), _put("a", 0)],
        "too much data": [_put("a", 0), _put("b", 0, data=largest + b"x")],
        "no key": [_put("a", 0), _put("", 0)],
        "a version below 0": [_put("a", 0), _put("b", -1)],
    }
    for what, puts in wrong.items():
        await refused(ValueError, lambda puts=puts: store.put(puts), what)
        await refused(ValueError, lambda puts=puts: _commit(store, claimed, *puts), f"{what}, in a commit")
    await refused(InvalidConfig, lambda: store.put([_put(HALF, 0)]), "half a character")
    await refused(InvalidConfig, lambda: _commit(store, claimed, _put("a", 0), _put(HALF, 0)), "half a character")
    await refused(InvalidConfig, lambda: store.record("things", HALF), "half a character")
    equal(await store.put([]), [], "no puts")
    equal([record.key for record in await store.records("things")], ["large"], "records")


async def put_in_a_commit_is_one_with_the_log(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    await store.put([_put("taken", 0)])
    equal(await _commit(store, claimed, Append((note("a"),)), _put("a", 0, session=OTHER)), 2, "revision")
    record = present(await store.record("things", "a"), "record")
    equal((record.version, record.session), (1, SESSION), "version, and the session that was committed")
    later = msgspec.structs.replace(claimed, revision=2)
    write = (Append((note("b"),)), _put("b", 0), _put("taken", 0))
    await refused(Conflict, lambda: _commit(store, later, *write, Finish(answer(claimed)), Release()), "a conflict")
    equal(len(await store.read(SESSION)), 2, "events after a conflict")
    equal((await store.record("things", "b"), await store.reply(SESSION, "hello")), (None, None), "record and reply")
    equal((await store.renew(claimed.lease)).fence, claimed.lease.fence, "the lease after a conflict")
    await stale(_commit(store, claimed, _put("b", 0)), "a commit at an old revision")
    equal(await store.record("things", "b"), None, "a record of a stale commit")
    equal(await _commit(store, later, _put("a", 1), _put("b", 0)), 2, "revision after puts alone")
    equal([record.version for record in await store.records("things")], [2, 1, 1], "versions")


async def record_is_removed_at_its_version(rig: Rig) -> None:
    store = await rig.open()
    await store.put([_put("a", 0)])
    for key, version in (("a", 0), ("a", 2), ("b", 1), ("b", 0)):
        call = lambda k=key, v=version: store.remove("things", k, expected_version=v)  # noqa: E731 - one of four
        await refused(Conflict, call, f"removal of {key} at {version}")
    await store.remove("things", "a", expected_version=1)
    equal((await store.record("things", "a"), await store.records("things")), (None, NOTHING), "the record and all")
    equal((await store.put([_put("a", 0)]))[0].version, 1, "the version of one that begins anew")


async def records_are_listed_in_the_order_of_their_keys(rig: Rig) -> None:
    store = await rig.open()
    keys = sorted(("a", "a/1", "a/2", "a\0", "B", "é", "\ue000", "\uffff", "\U0001f600", "\U0010ffff", "a/2/3", *ODD))
    await store.put([_put(key, 0) for key in reversed(keys)])
    await store.put([_put("elsewhere", 0, namespace="others")])
    equal(_keys(await store.records("things")), keys, "keys in the order of code points")
    paged: list[str] = []
    while page := _keys(await store.records("things", after=paged[-1] if paged else "", limit=3)):
        paged += page
    equal(paged, keys, "the same in pages")
    for prefix in ("a", "a/", "a/2", "\U0010ffff", "\ue000", "kkk", "nothing"):
        expected = [key for key in keys if key.startswith(prefix)]
        equal(_keys(await store.records("things", prefix=prefix)), expected, f"those that start with {prefix!r}")
    equal(_keys(await store.records("things", prefix="a/", after="a/1", limit=1)), ["a/2"], "the next of a prefix")
    equal(await store.records("nothing"), [], "an unknown namespace")


async def records_are_found_by_session_and_state(rig: Rig) -> None:
    store = await rig.open()
    for number, (session, state) in enumerate(
        ((SESSION, "open"), (SESSION, ""), (OTHER, "open"), (None, "open"), (SessionKey("baker", "s1"), "open"))
    ):
        await store.put([_put(str(number), 0, session=session, state=state)])
    equal(_keys(await store.records("things", session=SESSION)), ["0", "1"], "those of a session")
    equal(_keys(await store.records("things", state="open")), ["0", "2", "3", "4"], "those in a state")
    equal(_keys(await store.records("things", state="")), ["1"], "those without a state")
    equal(_keys(await store.records("things", state="open", session=SESSION)), ["0"], "those of both")
    equal(_keys(await store.records("things", state="open", after="0", limit=2)), ["2", "3"], "the next two")
    await store.put([_put("0", 1, session=OTHER, state="shut")])
    equal(_keys(await store.records("things", session=SESSION)), ["1"], "those of a session that one has left")
    equal(_keys(await store.records("things", state="shut")), ["0"], "those in its new state")


async def due_records_come_the_longest_due_first(rig: Rig) -> None:
    store, start = await rig.open(), int(rig.clock.time() * 1_000_000)
    due = {"late": 5_000_000, "early": 1_000_000, "past": -1, "now": 0, "never": None, "early too": 1_000_000}
    await store.put([_put(key, 0, due_at=None if at is None else start + at) for key, at in due.items()])
    equal(_keys(await store.due_records("things")), ["past", "now"], "those due at first")
    await rig.clock.advance(1)
    equal(_keys(await store.due_records("things")), ["past", "now", "early", "early too"], "those due after a second")
    equal(_keys(await store.due_records("things", limit=1)), ["past"], "the first of them")
    await store.put([_put("past", 1), _put("now", 1, due_at=start + 9_000_000)])
    await rig.clock.advance(4)
    equal(_keys(await store.due_records("things")), ["early", "early too", "late"], "those due after five")
    equal(await store.due_records("others"), [], "those of another namespace")


async def records_serve_as_approvals(rig: Rig) -> None:
    """Asked with the log, decided once by one of many, expired by the clock."""
    store, start = await rig.open(), int(rig.clock.time() * 1_000_000)
    claimed = await accept_and_claim(store, message("post it"), rig.owner())
    asked = [_approval(name, start, start + 60_000_000) for name in ("first", "second")]
    puts = [_as_record(one, 0, due_at=one.expires_at) for one in asked]
    await _commit(store, claimed, Append((note("asked"),)), *puts, Release())
    equal(_keys(await store.records("approvals", state="pending", session=SESSION)), ["first", "second"], "pending")

    async def decide(who: str) -> Record:
        record = present(await store.record("approvals", "first"), "approval")
        decided = msgspec.structs.replace(
            _decoded(record, Approval), state=ApprovalState.APPROVED, decided_by=who, decided_at=start
        )
        return (await store.put([_as_record(decided, 1)]))[0]

    outcomes = await asyncio.gather(*(decide(f"u{number}") for number in range(5)), return_exceptions=True)
    equal(sum(isinstance(outcome, Record) for outcome in outcomes), 1, "how many decisions of five count")
    decided = _decoded(present(await store.record("approvals", "first"), "approval"), Approval)
    equal((decided.arguments, decided.risk), (asked[0].arguments, RiskLevel.HIGH), "what was approved")
    await rig.clock.advance(61)
    equal(_keys(await store.due_records("approvals")), ["second"], "approvals that have expired")
    await store.delete(SESSION)
    equal(await store.records("approvals"), [], "approvals of a deleted session")


async def records_serve_as_effects(rig: Rig) -> None:
    """Prepared with the log, once per key, sent by whoever wins, and found in `sending` by who comes after a crash."""
    store, other = await rig.open(), await rig.open()
    claimed = await accept_and_claim(store, message("post it"), rig.owner())
    effect = _effect("post/x/digest/turn-1", int(rig.clock.time() * 1_000_000))
    prepared = _as_record(effect, 0)
    await _commit(store, claimed, Append((note("called"),)), prepared)
    await refused(Conflict, lambda: _commit(store, msgspec.structs.replace(claimed, revision=2), prepared), "the key")

    async def send(holder: Store) -> Record:
        sending = msgspec.structs.replace(effect, state=EffectState.SENDING, attempts=1)
        return (await holder.put([_as_record(sending, 1)]))[0]

    outcomes = await asyncio.gather(send(store), send(other), return_exceptions=True)
    equal(sum(isinstance(outcome, Record) for outcome in outcomes), 1, "how many may send")
    await store.aclose()
    found = await other.records("effects", state="sending")
    equal([(record.key, record.session) for record in found], [(effect.key, SESSION)], "what a crash has left")
    done = msgspec.structs.replace(_decoded(found[0], Effect), state=EffectState.DONE, remote_id="42")
    await other.put([_as_record(done, found[0].version)])
    kept = present(await other.record("effects", effect.key), "effect")
    equal((_decoded(kept, Effect), kept.state, kept.version), (done, "done", 3), "the effect")
    equal(await other.records("effects", state="sending"), [], "effects in flight")


def _put(
    key: str,
    version: int,
    *,
    namespace: str = "things",
    data: bytes = b"{}",
    session: SessionKey | None = None,
    state: str = "",
    due_at: int | None = None,
) -> Put:
    return Put(
        namespace=namespace, key=key, data=data, expected_version=version, session=session, state=state, due_at=due_at
    )


def _as_record(value: Approval | Effect, version: int, *, due_at: int | None = None) -> Put:
    """As approvals and effects lie on records."""
    data, state = msgspec.json.encode(value), value.state.value
    if isinstance(value, Effect):
        return _put(value.key, version, namespace="effects", data=data, session=value.session, state=state)
    key = value.approval_id
    return _put(key, version, namespace="approvals", data=data, session=value.session, state=state, due_at=due_at)


def _decoded(record: Record, kind: type[T]) -> T:
    return msgspec.json.decode(record.data, type=kind)


async def _commit(store: Store, claimed: Claimed, *operations: Append | Put | Finish | Release) -> int:
    return await store.commit(operations, fence=claimed.lease, expected_revision=claimed.revision)


def _keys(records: list[Record]) -> list[str]:
    return [record.key for record in records]


def _approval(name: str, now: int, expires: int) -> Approval:
    return Approval(
        approval_id=name,
        session=SESSION,
        call_id="c1",
        tool="post",
        arguments={"text": "Grüße"},
        digest="d" * 64,
        risk=RiskLevel.HIGH,
        requested_by="ada",
        approvers=("bob",),
        created_at=now,
        expires_at=expires,
    )


def _effect(key: str, now: int) -> Effect:
    return Effect(
        key=key,
        session=SESSION,
        user_id="ada",
        trace_id="0" * 31 + "1",
        tool="post",
        arguments={"text": "Grüße"},
        occasion="turn-1",
        created_at=now,
        updated_at=now,
    )


CHECKS: tuple[Check, ...] = (
    record_is_kept_as_it_was_put,
    version_that_is_not_the_present_one_is_refused,
    only_one_of_many_changes_a_version,
    puts_that_cannot_be_kept_are_refused,
    put_in_a_commit_is_one_with_the_log,
    record_is_removed_at_its_version,
    records_are_listed_in_the_order_of_their_keys,
    records_are_found_by_session_and_state,
    due_records_come_the_longest_due_first,
    records_serve_as_approvals,
    records_serve_as_effects,
)
