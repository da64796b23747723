"""`execute_with_recovery`: what each kind of error does to a task."""

import asyncio
import logging
import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from emonk import execute_with_recovery, retry_with_backoff
from emonk.errors import (
    AgentError,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    InfraError,
    InvalidArguments,
    InvalidConfig,
    MissingCredential,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    StaleSession,
    Unavailable,
)
from emonk.messages import UserMessage, user
from emonk.observe.alerts import Alert
from emonk.observe.trace import trace_context
from emonk.testing.clock import ManualClock
from tests.resilience.driving import finish

Task = dict[str, Any]


class Agent:
    """Runs into these errors, one each attempt and the last one for ever; None is a success."""

    name = "scripted"

    def __init__(self, *errors: Exception | None) -> None:
        self._errors = errors
        self.tasks: list[Task] = []

    async def execute(self, task: Task) -> str:
        self.tasks.append(deepcopy(task))
        task["input"] = "changed by the agent"
        task["context"].append("added by the agent")
        error = self._errors[min(len(self.tasks), len(self._errors)) - 1]
        if error is not None:
            raise error
        return "done"


def run(agent: Any, task: Any = None, *, clock: ManualClock | None = None, **options: Any) -> Any:
    """Run on a clock that is moved, with exact delays; the default task has an input only."""
    clock = clock or ManualClock()
    options = {"jitter": False, **options}
    task = {"input": "write"} if task is None else task
    return asyncio.run(finish(clock, execute_with_recovery(agent, task, clock=clock, **options)))


def texts(task: Task) -> list[str]:
    return [message.text for message in task["context"] if isinstance(message, UserMessage)]


def test_a_success_is_returned() -> None:
    agent = Agent(None)
    assert run(agent) == "done"
    assert agent.tasks == [{"input": "write", "context": []}]


def test_what_the_agent_can_correct_goes_into_the_context_and_is_tried_at_once() -> None:
    clock = ManualClock()
    agent = Agent(InvalidArguments("no such city", hint="ask for the country"), AgentError("too long"), None)
    assert run(agent, clock=clock) == "done"
    assert clock.slept == []
    assert texts(agent.tasks[0]) == []
    assert texts(agent.tasks[1]) == [
        "The last attempt failed: no such city\nask for the country\nCorrect this and try again."
    ]
    assert texts(agent.tasks[2])[1] == "The last attempt failed: too long\nCorrect this and try again."


def test_the_callers_task_stays_as_it_is() -> None:
    said = {"role": "user", "content": "hello"}
    task = {"input": "write", "context": [said], "tone": "calm"}
    agent = Agent(AgentError("wrong"), Unavailable("down"), None)
    run(agent, task)
    assert task == {"input": "write", "context": [{"role": "user", "content": "hello"}], "tone": "calm"}
    assert task["context"][0] is said
    assert [sent["input"] for sent in agent.tasks] == ["write"] * 3
    assert [sent["tone"] for sent in agent.tasks] == ["calm"] * 3
    assert [len(sent["context"]) for sent in agent.tasks] == [1, 2, 2]


def test_the_added_message_has_the_form_of_the_others() -> None:
    agent = Agent(AgentError("wrong"), None)
    run(agent, {"input": "write", "context": [{"role": "system", "content": "be brief"}]})
    added = agent.tasks[1]["context"][1]
    assert added == {"role": "user", "content": "The last attempt failed: wrong\nCorrect this and try again."}

    agent = Agent(AgentError("wrong"), None)
    run(agent, {"input": "write", "context": (user("be brief"),)})
    assert texts(agent.tasks[1])[0] == "be brief"
    assert "wrong" in texts(agent.tasks[1])[1]

    agent = Agent(AgentError("wrong"), None)
    run(agent, {"input": "write", "context": ["be brief"]})
    assert agent.tasks[1]["context"][1].startswith("The last attempt failed: wrong")


def test_after_the_second_error_of_its_own_the_lead_model_is_named() -> None:
    agent = Agent(AgentError("a"), Unavailable("down"), AgentError("b"), None)
    run(agent)
    assert [task.get("model") for task in agent.tasks] == [None, None, None, "lead"]


@pytest.mark.parametrize(("chosen", "then"), [("worker", "lead"), ("lead", "lead"), ("gemini:gemini-2.5-pro",) * 2])
def test_a_model_that_the_caller_chose_stands(chosen: str, then: str) -> None:
    agent = Agent(AgentError("a"), AgentError("b"), None)
    run(agent, {"input": "write", "model": chosen})
    assert [task["model"] for task in agent.tasks] == [chosen, chosen, then]


def test_faults_of_the_outside_are_waited_out() -> None:
    clock = ManualClock()
    agent = Agent(Unavailable("down"), InfraError("odd"), RateLimited("slow", retry_after=9.0), None)
    assert run(agent, clock=clock) == "done"
    assert clock.slept == [1.0, 2.0, 9.0]
    assert [task["context"] for task in agent.tasks] == [[]] * 4


def test_waits_have_jitter_unless_exact_ones_are_asked_for() -> None:
    clock = ManualClock()
    agent = Agent(Unavailable("down"), Unavailable("down"), None)
    asyncio.run(finish(clock, execute_with_recovery(agent, {"input": ""}, clock=clock, random=lambda: 0.25)))
    assert clock.slept == [0.25, 0.5]


def test_retries_are_counted_over_all_kinds_of_errors() -> None:
    last = InvalidArguments("still wrong", hint="use ISO dates", code="odd_date")
    agent = Agent(Unavailable("down"), AgentError("a"), Unavailable("down"), last)
    with pytest.raises(InvalidArguments) as raised:
        run(agent)
    assert len(agent.tasks) == 4
    error = raised.value
    assert error is not last
    assert error.__cause__ is last
    assert error.message == "the task failed after 4 attempts. Last error: still wrong"
    assert (error.hint, error.code) == ("use ISO dates", "odd_date")


def test_the_final_error_is_of_the_kind_of_the_last() -> None:
    class OwnError(RateLimited):
        def __init__(self) -> None:
            super().__init__("too fast", retry_after=2.0)

    with pytest.raises(RateLimited) as raised:
        run(Agent(OwnError()), max_retries=1)
    assert type(raised.value) is RateLimited
    assert isinstance(raised.value.__cause__, OwnError)
    assert raised.value.retry_after == 2.0
    assert "after 2 attempts. Last error: too fast" in str(raised.value)


@pytest.mark.parametrize("error", [OutcomeUnknown("cut off"), PermissionDenied("not allowed")])
def test_what_must_not_be_repeated_is_raised_at_once(error: AgentError) -> None:
    agent = Agent(AgentError("a"), error)
    with pytest.raises(type(error)) as raised:
        run(agent)
    assert raised.value is error
    assert len(agent.tasks) == 2
    assert error.__notes__ == ["2 attempts: this error is not retried"]


@pytest.mark.parametrize(
    "error", [QuotaExhausted("used up"), StaleSession("moved on"), Unavailable("broke off", final=True)]
)
def test_what_waiting_does_not_mend_is_raised_at_once(error: InfraError) -> None:
    agent = Agent(error)
    with pytest.raises(type(error)) as raised:
        run(agent)
    assert raised.value is error
    assert len(agent.tasks) == 1


def test_an_open_circuit_is_waited_for() -> None:
    clock = ManualClock()
    agent = Agent(CircuitOpen("open", retry_after=25.0), None)
    assert run(agent, clock=clock, deadline=26.0) == "done"
    assert 25.0 in clock.slept


@pytest.mark.parametrize("error", [CircuitOpen("open", retry_after=27.0), RateLimited("slow", retry_after=27.0)])
def test_a_wait_that_would_pass_the_deadline_is_not_begun(error: InfraError) -> None:
    agent = Agent(error)
    with pytest.raises(type(error)) as raised:
        run(agent, deadline=26.0)
    assert raised.value is error
    assert len(agent.tasks) == 1


def test_a_hint_of_a_year_is_not_waited_for() -> None:
    agent = Agent(RateLimited("slow", retry_after=365 * 86_400.0))
    with pytest.raises(RateLimited):
        run(agent)
    assert len(agent.tasks) == 1


def test_the_deadline_cancels_an_attempt_and_names_the_last_error() -> None:
    clock = ManualClock()
    first = AgentError("wrong")

    class Hanging:
        attempts = 0

        async def execute(self, task: Task) -> None:
            self.attempts += 1
            if self.attempts == 1:
                raise first
            await clock.sleep(1_000)

    with pytest.raises(DeadlineExceeded) as raised:
        run(Hanging(), clock=clock, deadline=5)
    assert raised.value.__cause__ is first


def test_a_configuration_error_alerts_and_fails_at_once() -> None:
    alerts: list[Alert] = []
    error = MissingCredential("no key", hint="set GEMINI_API_KEY")
    agent = Agent(error)
    with pytest.raises(MissingCredential) as raised:
        run(agent, alert=alerts.append)
    assert raised.value is error
    assert len(agent.tasks) == 1
    assert [(alert.level, alert.cause, alert.agent) for alert in alerts] == [
        ("critical", "missing_credential scripted", "scripted")
    ]
    assert "set GEMINI_API_KEY" in alerts[0].message


@pytest.mark.parametrize("code", ["context_overflow", "blocked"])
def test_a_request_that_a_model_cannot_take_alerts_nobody(code: str) -> None:
    alerts: list[Alert] = []
    agent = Agent(InvalidConfig("refused", code=code))
    with pytest.raises(InvalidConfig):
        run(agent, alert=alerts.append)
    assert (len(agent.tasks), alerts) == (1, [])


def test_an_unknown_error_is_logged_with_its_trace_id_alerted_and_raised(caplog: pytest.LogCaptureFixture) -> None:
    alerts: list[Alert] = []
    agent = Agent(ZeroDivisionError("a bug"))

    async def hook(alert: Alert) -> None:
        await asyncio.sleep(0)
        alerts.append(alert)

    with trace_context("cafe"), pytest.raises(ZeroDivisionError):
        run(agent, alert=hook)
    assert len(agent.tasks) == 1
    assert [(alert.level, alert.trace_id) for alert in alerts] == [("error", "cafe")]
    assert "trace cafe" in caplog.text
    assert "ZeroDivisionError: a bug" in caplog.text
    assert alerts[0].cause == "internal_error ZeroDivisionError"


class Unspeakable(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("not even that")

    __str__ = __repr__


def test_an_error_that_cannot_be_printed_is_alerted_and_raised_all_the_same() -> None:
    alerts: list[Alert] = []

    async def main() -> None:  # which must not end with that error: `asyncio.run` prints its task
        with pytest.raises(Unspeakable):
            await execute_with_recovery(Agent(Unspeakable()), {"input": "work"}, alert=alerts.append)

    asyncio.run(main())
    assert [alert.cause for alert in alerts] == ["internal_error Unspeakable"]
    assert alerts[0].message.startswith("a task failed: ")
    assert "Unspeakable" in alerts[0].message


def test_work_outside_of_any_trace_gets_one() -> None:
    alerts: list[Alert] = []
    with pytest.raises(KeyError):
        run(Agent(KeyError("k")), alert=alerts.append)
    assert len(alerts[0].trace_id) == 32


def test_by_default_alerts_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="emonk.alerts"), pytest.raises(ConfigError):
        run(Agent(ConfigError("set up for nothing")))
    assert [record.levelname for record in caplog.records if record.name == "emonk.alerts"] == ["CRITICAL"]


def test_an_alert_that_cannot_be_raised_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(alert: Alert) -> None:
        raise RuntimeError("the pager is down")

    with pytest.raises(ConfigError, match="wrong"):
        run(Agent(ConfigError("wrong")), alert=broken)
    assert "the pager is down" in caplog.text


def test_only_one_layer_retries() -> None:
    clock = ManualClock()

    class Inner(Agent):
        async def execute(self, task: Task) -> str:
            call = super().execute
            return await retry_with_backoff(lambda: call(task), 2, clock=clock)

    agent = Inner(Unavailable("down"))
    with pytest.raises(Unavailable):
        run(agent, clock=clock)
    assert len(agent.tasks) == 3

    agent = Agent(Unavailable("down"))

    async def outer() -> str:
        return await execute_with_recovery(agent, {"input": ""}, clock=clock)

    with pytest.raises(Unavailable):
        asyncio.run(finish(clock, retry_with_backoff(outer, clock=clock)))
    assert len(agent.tasks) == 4


def test_cancellation_stops_at_once() -> None:
    agent = Agent(Unavailable("down"))

    async def main() -> None:
        clock = ManualClock()
        task = asyncio.ensure_future(execute_with_recovery(agent, {"input": ""}, clock=clock))
        await clock.wait_for_sleepers()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert clock.sleepers == 0

    asyncio.run(main())
    assert len(agent.tasks) == 1


def test_without_retries_there_is_one_attempt() -> None:
    agent = Agent(AgentError("wrong"))
    with pytest.raises(AgentError, match=r"after 1 attempt\. Last error: wrong"):
        run(agent, max_retries=0)
    assert len(agent.tasks) == 1


def test_an_execute_that_is_no_coroutine_function_works_too() -> None:
    class Plain:
        def execute(self, task: Mapping[str, Any]) -> str:
            return task["input"]

    assert run(Plain()) == "write"


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("write", "task is of type str"),
        ([], "task is of type list"),
        ({}, "task has no `input`"),
        ({"context": []}, "task has no `input`"),
        ({"input": "", "context": "be brief"}, "context of task is of type str"),
        ({"input": "", "context": {"role": "user"}}, "context of task is of type dict"),
        ({"input": "", "context": 5}, "context of task is of type int"),
    ],
)
def test_a_task_that_is_none_is_refused(task: Any, said: str) -> None:
    agent = Agent(None)
    with pytest.raises(InvalidConfig, match=said):
        run(agent, task)
    assert agent.tasks == []


@pytest.mark.parametrize(
    "options",
    [
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"deadline": 0},
        {"deadline": math.nan},
        {"jitter": None},
        {"alert": "mail"},
    ],
    ids=str,
)
def test_bad_values_are_refused_before_the_first_attempt(options: dict[str, Any]) -> None:
    agent = Agent(None)
    with pytest.raises(InvalidConfig, match=next(iter(options))):
        run(agent, **options)
    assert agent.tasks == []


def test_what_cannot_execute_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="agent is of type object"):
        run(object())
