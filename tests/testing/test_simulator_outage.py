"""Ten minutes of outage under load: what is sent meanwhile, and how soon there is service again."""

import pytest

from emonk import Agent
from emonk.testing.simulator import Fault, History, ModelFault, Outage, Said, Schedule, judge, replay
from emonk.testing.simulator.history import Answered, Came, Circuit, Sent

BEGINS, ENDS = 10.0, 610.0
EVERY = 0.5
"""Seconds between two messages."""

PERIOD = 330.0
"""Seconds that a circuit is open at the longest, with its jitter."""

KINDS = [
    Fault(ModelFault.UNREACHABLE),
    Fault(ModelFault.DROPPED_AFTER),
    Fault(ModelFault.HTTP_503),
    Fault(ModelFault.RATE_LIMITED),
    Fault(ModelFault.SILENT),
    Fault(ModelFault.HANGS),
    Fault(ModelFault.CONNECTION),
]


def outage(fault: Fault, seconds: float) -> History:
    """Each message in a session of its own, from the beginning until so many seconds after the outage."""
    said = [
        Said(at=number * EVERY, session=f"s{number}", user="ann", message_id=f"m{number}", text="Go")
        for number in range(int((ENDS + seconds) / EVERY))
    ]
    agent = Agent("busy", "gemini:gemini-2.0-flash", unpriced="allow")
    return replay(agent, Schedule(seed=1, events=(Outage(BEGINS, ENDS, fault), *said)))


@pytest.mark.parametrize("fault", KINDS, ids=str)
def test_an_outage_is_sent_few_requests_more_than_are_wanted_and_is_over_within_one_open_period(fault: Fault) -> None:
    history = outage(fault, PERIOD + 60)
    assert judge(history).broken is None
    sent = [one for one in history.of(Sent) if BEGINS <= one.at < ENDS]
    wanted = (ENDS - BEGINS) / EVERY
    assert len(sent) <= 1.2 * wanted
    open_for = next(
        (one.wait for one in reversed(list(history.of(Circuit))) if one.state == "open" and one.at < ENDS), 0
    )
    back = next(one.at for one in history.of(Came) if one.at > ENDS and not one.error)
    assert back <= ENDS + open_for + 10
    late = [one.reply for one in history.of(Answered) if float(one.message_id[1:]) * EVERY > back + 60]
    assert len(late) > 50
    assert {reply.status for reply in late} == {"done"}
