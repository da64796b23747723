"""What a crash must not undo, and how soon what it cut is taken up: the invariants of instances that are killed."""

from collections.abc import Iterator
from typing import NamedTuple

from emonk.errors import OutcomeUnknown
from emonk.events import ToolReturned
from emonk.messages import AssistantMessage, Message, ToolResult, UserMessage
from emonk.store.protocol import LEASE_SECONDS
from emonk.testing.simulator.history import Crashed, Ended, Granted, History, Leased, Record, Sent, ToolActed, Up, Wrote
from emonk.testing.simulator.schedule import Jump
from emonk.turns import POLL_SECONDS

_SLACK = 1.0
"""Seconds for what is under way."""


def a_session_has_one_writer(history: History) -> Iterator[str]:
    """Once a lease was granted, the store takes nothing any more under an earlier one."""
    leased: dict[str, Leased] = {}
    for record in history.records:
        match record:
            case Leased():
                leased[record.where.session] = record
            case Wrote() if record.fence != leased[record.where.session].fence:
                yield leased[record.where.session].line()
                yield record.line()
                return
            case _:
                continue


def a_living_holder_keeps_its_lease(history: History) -> Iterator[str]:
    """Nobody takes a session from an instance that is up, as long as the wall clock goes on evenly."""
    if any(isinstance(event, Jump) for event in history.schedule.events):
        return
    watch = _Watch(slow_elsewhere=False)
    for record in history.records:
        if isinstance(record, Leased) and watch.is_held(record.where.session):
            yield record.line()
            return
        watch.see(record)


def a_message_is_answered_once(history: History) -> Iterator[str]:
    """Its turn is ended once, whoever took it over."""
    ended: dict[tuple[str, str], Wrote] = {}
    for wrote in history.of(Wrote):
        key = (wrote.where.session, wrote.finished)
        if wrote.finished and key in ended:
            yield ended[key].line()
            yield wrote.line()
            return
        ended[key] = wrote


def no_logged_answer_is_asked_for_again(history: History) -> Iterator[str]:
    """Who takes a turn over goes on from the answers that are in its log."""
    granted: dict[tuple[int, str, str], Granted] = {}
    for record in history.records:
        key = (record.where.instance, record.where.session, record.message_id)
        match record:
            case Granted():
                granted[key] = record
            case Sent() if key in granted and _answers(record.messages) < granted[key].answers:
                yield f"{granted[key].answers} answers are in the log, {_answers(record.messages)} in the request"
                yield granted[key].line()
                yield record.line()
                return
            case _:
                continue


def what_acted_is_told(history: History) -> Iterator[str]:
    """The log has a result for whatever has acted and must not act again: what it gave, or that nobody knows."""
    if history.ended is None:
        return
    results = _results(history.ended)
    acted: set[tuple[str, str]] = set()
    for record in history.of(ToolActed):
        key = (record.where.session, record.call_id)
        acted.add(key)
        result = results.get(key)
        told = result is not None and result.error in (None, OutcomeUnknown.default_code)
        if not record.idempotent and not told:
            yield f"the log has {result}"
            yield record.line()
            return


def what_was_cut_is_taken_up_in_time(history: History) -> Iterator[str]:
    """Where instances look for it: at once on the host of the one that was killed, on another within one lease."""
    if not history.schedule.pump:
        return
    patient = {said.session for said in history.schedule.messages if said.patient}
    back = any(isinstance(event, Jump) and event.seconds < 0 for event in history.schedule.events)
    watch = _Watch(slow_elsewhere=back)
    for record in history.records:
        late = watch.see(record)
        if late is not None and late.session not in patient:
            yield f"session {late.session} was cut at {late.at:.3f} s on host {late.host}"
            yield record.line()
            return


class _Cut(NamedTuple):
    """A session whose holder was killed, and where that was."""

    session: str
    at: float
    host: int


class _Watch:
    """Who holds what, whose turns were cut, and who could take them up.

    Args:
        slow_elsewhere: the wall clock was set back, and with it the end of every lease.
    """

    def __init__(self, *, slow_elsewhere: bool) -> None:
        self._slow = slow_elsewhere
        self._held: dict[str, int] = {}
        self._cut: dict[str, _Cut] = {}
        self._hosts: dict[int, int] = {}
        self._up: dict[int, float] = {}

    def see(self, record: Record) -> _Cut | None:
        """What should have been taken up before this."""
        life, session = record.where.instance, record.where.session
        late = self._late(record.at)
        match record:
            case Up(host=host, up=True):
                self._hosts[life] = host
                self._up[life] = record.at
            case Up() | Crashed():
                self._up.pop(life, None)
                for held in [name for name, holder in self._held.items() if holder == life]:
                    if isinstance(record, Crashed):
                        self._lose(held, record)
            case Leased():
                self._cut.pop(session, None)
                self._held[session] = life
                if life not in self._up and life in self._hosts:
                    self._lose(session, record)
            case Wrote() if record.finished or record.released:
                self._held.pop(session, None)
                self._cut.pop(session, None)
            case _:
                pass
        return late

    def is_held(self, session: str) -> bool:
        """By an instance that is up."""
        return self._held.get(session) in self._up

    def _lose(self, session: str, record: Record) -> None:
        del self._held[session]
        self._cut[session] = _Cut(session, record.at, self._hosts.get(record.where.instance, -1))

    def _late(self, now: float) -> _Cut | None:
        return next((cut for cut in self._cut.values() if any(self._until(cut, life) < now for life in self._up)), None)

    def _until(self, cut: _Cut, life: int) -> float:
        """By when this life must have taken it up."""
        if self._hosts[life] == cut.host:
            return max(cut.at, self._up[life]) + POLL_SECONDS + _SLACK
        if self._slow:
            return float("inf")
        return max(cut.at + LEASE_SECONDS, self._up[life]) + POLL_SECONDS + _SLACK


def _answers(messages: tuple[Message, ...]) -> int:
    """The model's messages since the user's last one."""
    answers = 0
    for message in reversed(messages):
        if isinstance(message, UserMessage) and not message.text.startswith("["):
            break
        answers += isinstance(message, AssistantMessage)
    return answers


def _results(ended: Ended) -> dict[tuple[str, str], ToolResult]:
    return {
        (key.session_id, one.event.result.call_id): one.event.result
        for key, log in ended.logs.items()
        for one in log
        if isinstance(one.event, ToolReturned)
    }
