"""What must hold after every run, whatever went wrong in it. Each check tells what breaks it, or nothing."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import msgspec

from emonk.errors import InvalidConfig
from emonk.testing.simulator import acts, billing, circuits, ledger, requests, routes, service, sessions, survival
from emonk.testing.simulator.history import Came, Granted, History, Noted, Sent, ToolBegan, ToolLeft, same_each_time

Invariant = Callable[[History], Iterable[str]]
"""Gives the evidence that it is broken, in lines; its name is the function's."""

_GRACE = 5.0


class Broken(msgspec.Struct, frozen=True):
    """An invariant that did not hold, and how that is seen."""

    invariant: str
    evidence: tuple[str, ...]


def nothing_hangs(history: History) -> Iterator[str]:
    """Everything comes to rest."""
    if history.stuck:
        yield history.stuck
    elif history.ended is None or not history.ended.settled:
        yield "hours after the last event, something is still unfinished"


def nothing_is_left_over(history: History) -> Iterator[str]:
    """No task, no lease, no permit and no place in a queue outlives its turn."""
    if history.ended is not None:
        yield from history.ended.leftovers
        yield from (f"the lease of session {session} is held" for session in history.ended.leases)


def no_exception_is_dropped(history: History) -> Iterator[str]:
    """Every exception of a task or a callback is somebody's."""
    yield from (noted.line() for noted in history.of(Noted) if noted.level == "unhandled")


def turns_keep_their_limit(history: History) -> Iterator[str]:
    """A turn does nothing more once its time is over."""
    begun: dict[tuple[int, str], Granted] = {}
    for record in history.records:
        key = (record.where.instance, record.message_id)
        match record:
            case Granted():
                begun[key] = record
            case Sent() | Came() | ToolBegan() | ToolLeft():
                granted = begun.get(key)
                if granted and record.at > granted.at + history.limit + _GRACE:
                    yield f"a turn may take {history.limit:g} s"
                    yield granted.line()
                    yield record.line()
                    return
            case _:
                continue


INVARIANTS: tuple[Invariant, ...] = (
    ledger.no_effect_happens_twice,
    acts.no_unknown_outcome_is_retried,
    acts.no_call_acts_twice,
    ledger.what_is_unknown_is_not_sent_anew,
    ledger.ledger_and_remote_agree,
    ledger.what_can_be_looked_up_is_known,
    survival.what_acted_is_told,
    acts.nothing_above_low_risk_runs,
    survival.a_session_has_one_writer,
    survival.a_living_holder_keeps_its_lease,
    survival.a_message_is_answered_once,
    requests.requests_are_valid,
    requests.every_provider_takes_every_request,
    survival.no_logged_answer_is_asked_for_again,
    routes.each_way_follows_from_its_log,
    requests.no_retry_before_the_hint,
    requests.no_retry_after_a_final_error,
    requests.no_retry_after_output_began,
    billing.every_call_has_one_row,
    circuits.half_open_admits_only_its_permits,
    circuits.an_open_circuit_lets_nothing_through,
    circuits.a_failing_model_is_left_alone,
    circuits.retries_keep_their_budget,
    service.no_turn_goes_without_a_model_that_is_well,
    service.a_hint_is_waited_for,
    sessions.every_message_gets_its_reply,
    sessions.nothing_acknowledged_is_lost,
    sessions.replies_are_typed,
    sessions.repetitions_get_the_same_reply,
    sessions.the_log_is_well_formed,
    sessions.sessions_keep_their_order,
    survival.what_was_cut_is_taken_up_in_time,
    turns_keep_their_limit,
    nothing_hangs,
    nothing_is_left_over,
    no_exception_is_dropped,
)
"""The gravest first: the first that is broken is the one that is reported."""


def first_broken(history: History, invariants: Sequence[Invariant] = INVARIANTS) -> Broken | None:
    """The first invariant that a run breaks.

    Raises:
        InvalidConfig: one gives no lines.
    """
    for invariant in invariants:
        evidence = _lines(invariant, invariant(history))
        if evidence:
            return Broken(name_of(invariant), evidence)
    return None


def _lines(invariant: Invariant, given: object) -> tuple[str, ...]:
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise InvalidConfig(f"the invariant {name_of(invariant)} gives {given!r}", hint="it yields lines, or none")
    return tuple(same_each_time(str(line)) for line in cast("Iterable[object]", given))


def check_invariants(invariants: object) -> None:
    """Refuse what cannot be asked about a run.

    Raises:
        InvalidConfig: not several plain functions.
    """
    if not isinstance(invariants, Iterable) or isinstance(invariants, str):
        raise InvalidConfig(f"invariants is {invariants!r}", hint="a list of functions, such as [*INVARIANTS, mine]")
    for invariant in cast("Iterable[object]", invariants):
        if not callable(invariant) or inspect.iscoroutinefunction(invariant):
            raise InvalidConfig(f"an invariant is {invariant!r}", hint="a plain function that takes a History")


def name_of(invariant: Invariant) -> str:
    """The invariant in words."""
    return getattr(invariant, "__name__", repr(invariant)).replace("_", " ")
