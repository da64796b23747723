"""Each invariant of instances that are killed sees what breaks it, and nothing else."""

from collections.abc import Iterable, Sequence

import pytest

from emonk.events import ToolReturned
from emonk.messages import Message, ToolResult, assistant, user
from emonk.records import SessionKey
from emonk.testing.simulator import Invariant, Jump, Schedule
from emonk.testing.simulator import history as h
from emonk.testing.simulator.history import Ended, History, Record, Where
from emonk.testing.simulator.sessions import nothing_acknowledged_is_lost
from emonk.testing.simulator.survival import (
    a_living_holder_keeps_its_lease,
    a_message_is_answered_once,
    a_session_has_one_writer,
    no_logged_answer_is_asked_for_again,
    what_acted_is_told,
    what_was_cut_is_taken_up_in_time,
)
from tests.testing.test_simulator_invariants import run


def at(seconds: float, life: int = 0, message: str = "m") -> Where:
    return Where(seconds, "s", message, life)


def up(seconds: float, life: int, host: int = 0) -> h.Up:
    return h.Up(Where(seconds, instance=life), host=host, up=True)


def down(seconds: float, life: int) -> h.Up:
    return h.Up(Where(seconds, instance=life), host=0, up=False)


def killed(seconds: float, life: int) -> h.Crashed:
    return h.Crashed(Where(seconds, instance=life), after="ask model sent")


def leased(seconds: float, life: int, fence: int) -> h.Leased:
    return h.Leased(at(seconds, life), fence=fence)


def wrote(seconds: float, life: int, fence: int, finished: str = "") -> h.Wrote:
    return h.Wrote(at(seconds, life, ""), fence=fence, finished=finished, released=bool(finished))


def broken(invariant: Invariant, *records: Record, schedule: Schedule | None = None) -> bool:
    history = run(*records)
    history.schedule = schedule or Schedule(seed=0, events=(), pump=True)
    return bool(list(invariant(history)))


def test_a_write_under_an_earlier_lease_is_seen() -> None:
    late = [leased(1, 0, 1), wrote(2, 0, 1), leased(3, 1, 2), wrote(4, 0, 1)]
    assert broken(a_session_has_one_writer, *late)
    assert not broken(a_session_has_one_writer, *late[:-1], wrote(4, 1, 2))


def test_a_turn_that_ends_twice_is_seen() -> None:
    assert broken(a_message_is_answered_once, wrote(1, 0, 1, "m"), wrote(2, 1, 2, "m"))
    assert not broken(
        a_message_is_answered_once, wrote(1, 0, 1, "m"), wrote(2, 1, 2, "n"), wrote(3, 1, 2), wrote(4, 1, 2)
    )


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([up(0, 0), leased(1, 0, 1), leased(2, 1, 2)], True),
        ([up(0, 0), leased(1, 0, 1), killed(2, 0), leased(3, 1, 2)], False),
        ([up(0, 0), leased(1, 0, 1), down(2, 0), leased(3, 1, 2)], False),
        ([up(0, 0), leased(1, 0, 1), wrote(2, 0, 1, "m"), leased(3, 1, 2)], False),
    ],
)
def test_a_lease_that_is_taken_from_the_living_is_seen(records: list[Record], expected: bool) -> None:
    assert broken(a_living_holder_keeps_its_lease, *records) == expected
    jumps = Schedule(seed=0, events=(Jump(1.5, 3600),), pump=True)
    assert not broken(a_living_holder_keeps_its_lease, *records, schedule=jumps)


@pytest.mark.parametrize(
    ("host", "taken", "expected"),
    [(0, 6.0, False), (0, 8.0, True), (1, 36.0, False), (1, 38.0, True)],
)
def test_a_cut_turn_that_is_taken_up_too_late_is_seen(host: int, taken: float, expected: bool) -> None:
    records = [up(0, 0), up(0, 1, host), leased(1, 0, 1), killed(5, 0), leased(taken, 1, 2)]
    assert broken(what_was_cut_is_taken_up_in_time, *records) == expected
    assert not broken(what_was_cut_is_taken_up_in_time, *records, schedule=Schedule(seed=0, events=()))
    back = Schedule(seed=0, events=(Jump(1.5, -3600),), pump=True)
    assert broken(what_was_cut_is_taken_up_in_time, *records, schedule=back) == (expected and host == 0)


def test_a_lease_that_is_granted_to_a_dead_one_is_cut_then() -> None:
    records = [up(0, 0), up(0, 1), killed(5, 0), leased(5.01, 0, 1)]
    assert broken(what_was_cut_is_taken_up_in_time, *records, leased(9, 1, 2))
    assert not broken(what_was_cut_is_taken_up_in_time, *records, leased(6, 1, 2))
    assert not broken(what_was_cut_is_taken_up_in_time, *records[:-1], leased(9, 1, 2))


def sent(*messages: Message) -> h.Sent:
    return h.Sent(at(3), number=1, model="m", messages=messages, fault="")


def test_an_answer_that_is_in_the_log_and_not_in_the_request_is_seen() -> None:
    granted = h.Granted(at(2), fence=2, resumed=True, answers=1)
    earlier: Sequence[Message] = (user("before"), assistant("so"), user("now"))
    assert broken(no_logged_answer_is_asked_for_again, granted, sent(*earlier))
    assert not broken(no_logged_answer_is_asked_for_again, granted, sent(*earlier, assistant("yes"), user("[Again.]")))
    assert not broken(no_logged_answer_is_asked_for_again, sent(*earlier))


def logged(error: str | None) -> Ended:
    result = ToolReturned(result=ToolResult("1", "book", "?", error))
    history = run(log=[result])
    assert history.ended is not None
    return history.ended


def told(ended: Ended, *, idempotent: bool = False) -> Iterable[str]:
    acted = h.ToolActed(at(1), call_id="1", tool="book", idempotent=idempotent)
    schedule = Schedule(seed=0, events=())
    return what_acted_is_told(History(schedule=schedule, limit=1.0, records=[acted], ended=ended))


def test_an_act_that_the_log_denies_is_seen() -> None:
    assert list(told(logged("not_run")))
    assert not list(told(logged("not_run"), idempotent=True))
    assert not list(told(logged("outcome_unknown")))
    assert not list(told(logged(None)))
    empty = logged(None)
    empty.logs[SessionKey("a", "s")] = ()
    assert list(told(empty))


def test_an_acknowledged_message_that_is_not_kept_is_seen() -> None:
    assert broken(nothing_acknowledged_is_lost, h.Acknowledged(at(1)))
