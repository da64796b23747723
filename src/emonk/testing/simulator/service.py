"""Whether a turn had to go without a model: the invariants of what users are told while the world fails."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from emonk.testing.simulator.circuits import Turn
from emonk.testing.simulator.history import Answered, Came, Granted, History, Sent
from emonk.testing.simulator.refusals import Refusals, refusals
from emonk.testing.simulator.requests import taken_twice

_STAND_BY = 40.0
"""Seconds that a model gets at least for its retries while another one stands by."""

_FIRST_RETRIES = 10
"""Requests, sent or refused, of which none is a retry that finds the budget empty."""

_MARGIN = 1.0


class Step(msgspec.Struct):
    """What a turn has done for the answer that it waits for.

    Attributes:
        instance: that has the turn.
        since: when it began to ask.
        until: when the turn's time is over.
        asked: the requests that were sent to each model, and what they came to.
    """

    instance: int
    since: float
    until: float
    asked: dict[str, list[Sent | Came]]


class Degraded(NamedTuple):
    """A reply that no model gave, and how it came to that."""

    reply: Answered
    step: Step


def no_turn_goes_without_a_model_that_is_well(history: History) -> Iterator[str]:
    """Before a turn goes without a model, each one is asked, or cannot be: also once an outage is over.

    A circuit may refuse for its open time and not longer.
    """
    if history.resilience.places("models").at_once < len(history.schedule.messages):
        return  # one may have been full
    refused = refusals(history)
    for reply, step in _degraded(history):
        if reply.at > step.until - _MARGIN:
            continue
        for model in history.models:
            known = refused[step.instance, model]
            if model not in step.asked and not known.between(step.since, reply.at + _MARGIN):
                yield f"{model} could be called and was not, from {step.since:.3f} to {reply.at:.3f} s"
                yield from (circuit.line() for circuit in known.told if circuit.at <= reply.at)
                yield reply.line()
                return


def a_hint_is_waited_for(history: History) -> Iterator[str]:
    """A model that asks for a pause which the turn has time for is asked again before the turn goes without one."""
    if not history.resilience.policy("models").retries:
        return
    refused = refusals(history)
    for reply, step in _degraded(history):
        for model, asked in step.asked.items():
            match asked:
                case [Sent() as sent, Came(hint=hint) as came] if hint is not None and not came.final:
                    back = came.at + hint
                case _:
                    continue
            if reply.at < back < min(step.until, sent.at + _STAND_BY) - _MARGIN and _was_able(
                refused[step.instance, model], step.since, back
            ):
                yield f"{model} was to be asked again in {hint:g} s, and the turn did not wait for it"
                yield came.line()
                yield reply.line()
                return


def _was_able(known: Refusals, since: float, back: float) -> bool:
    """Nothing but that pause stood between the turn and its next try."""
    few = sum(at < back for at in known.requests) <= _FIRST_RETRIES
    return few and all(one.pause and one.until < back + 0.01 for one in known.between(since, back + _MARGIN))


def _degraded(history: History) -> Iterator[Degraded]:
    """The replies that had to do without a model, each once."""
    steps: dict[Turn, Step] = {}
    unclear = taken_twice(history)
    for record in history.records:
        turn = (record.where.session, record.message_id)
        match record:
            case Granted():
                steps[turn] = Step(record.where.instance, record.at, record.at + history.limit, {})
            case Sent() | Came() if turn not in steps or steps[turn].instance != record.where.instance:
                continue  # of an instance that has lost the turn
            case Came() if not record.error or record.blame == "answer":
                steps[turn] = Step(record.where.instance, record.at, steps[turn].until, {})
            case Sent() | Came():
                steps[turn].asked.setdefault(record.model, []).append(record)
            case Answered(reply=reply) if reply.status != "busy" and (step := steps.pop(turn, None)) is not None:
                if reply.degraded and (step.instance, record.message_id) not in unclear:
                    yield Degraded(record, step)
            case _:
                continue
