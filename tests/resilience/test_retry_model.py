"""The retry loop against a small model of it: when it calls, how it ends, for any faults, hints and deadlines."""

import asyncio
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.errors import ConfigError, DeadlineExceeded, Unavailable
from emonk.resilience.attempts import LONGEST_HINT, RetryPolicy, attempts
from emonk.resilience.budget import RetryBudget
from emonk.testing.clock import ManualClock
from tests.resilience.driving import finish


class Answer(NamedTuple):
    """What one call comes to: after so many seconds, `good`, `fault` (with a hint) or `wrong` (never to be retried)."""

    seconds: int
    kind: str
    hint: int | None


class Case(NamedTuple):
    policy: RetryPolicy
    answers: list[Answer]
    chance: float
    deadline: float | None
    tokens: int


class End(NamedTuple):
    kind: str
    at: float
    calls: list[float]


# Times are whole eighths and deadlines whole thirds, so that no two things fall on the same instant.
CASES = st.builds(
    Case,
    st.builds(
        RetryPolicy,
        retries=st.integers(0, 6),
        first=st.integers(0, 8).map(float),
        factor=st.sampled_from([1.0, 2.0, 3.0]),
        longest=st.sampled_from([0.0, 4.0, 60.0]),
        jitter=st.booleans(),
    ),
    st.lists(
        st.builds(
            Answer,
            st.integers(0, 5),
            st.sampled_from(["fault", "fault", "fault", "good", "wrong"]),
            st.one_of(st.none(), st.integers(-3, 40), st.integers(3_599, 3_602)),
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 7).map(lambda eighths: eighths / 8),
    st.one_of(st.none(), st.integers(0, 90).map(lambda seconds: seconds + 1 / 3)),
    st.integers(1, 8),
)


def modelled(case: Case) -> End:
    """The rules, said once more and without a clock."""
    now, calls, tokens = 0.0, list[float](), case.tokens
    while True:
        calls.append(now)
        answer = case.answers[min(len(calls), len(case.answers)) - 1]
        if case.deadline is not None and now + answer.seconds > case.deadline:
            return End("deadline", case.deadline, calls)
        now += answer.seconds
        if answer.kind != "fault":
            return End(answer.kind, now, calls)
        full = min(case.policy.longest, case.policy.first * case.policy.factor ** (len(calls) - 1))
        hint = max(answer.hint or 0, 0)
        wait = max(hint, full * case.chance if case.policy.jitter else full)
        in_time = case.deadline is None or now + wait < case.deadline
        if len(calls) > case.policy.retries or hint > LONGEST_HINT or not in_time or tokens == 0:
            return End("fault", now, calls)
        tokens -= 1
        now += wait


async def observed(case: Case) -> End:
    """What really happens."""
    clock = ManualClock(start=0.0)
    budget = RetryBudget(ratio=0.0, burst=case.tokens, per_minute=0.0, clock=clock)
    calls: list[float] = []

    async def call() -> str:
        calls.append(clock.monotonic())
        answer = case.answers[min(len(calls), len(case.answers)) - 1]
        await clock.sleep(answer.seconds)
        match answer.kind:
            case "good":
                return "good"
            case "wrong":
                raise ConfigError("wrong")
            case _:
                raise Unavailable("fault", retry_after=answer.hint)

    async def run() -> End:
        try:
            kind = await attempts(
                call, case.policy, deadline=case.deadline, budget=budget, clock=clock, random=lambda: case.chance
            )
        except Unavailable as error:
            kind = error.message
        except ConfigError as error:
            kind = error.message
        except DeadlineExceeded:
            kind = "deadline"
        return End(kind, clock.monotonic(), calls)

    return await finish(clock, run())


@settings(max_examples=300, deadline=None)
@given(CASES)
def test_calls_and_ends_are_those_of_the_model(case: Case) -> None:
    assert asyncio.run(observed(case)) == modelled(case)
