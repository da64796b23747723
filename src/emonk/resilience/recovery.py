"""Running an agent's task to its end although it fails on the way: `execute_with_recovery`."""

import itertools
import logging
import random
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec

from emonk import errors
from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import (
    AgentError,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    InfraError,
    InvalidConfig,
    OutcomeUnknown,
    PermissionDenied,
)
from emonk.observe.alerts import Alert, Level, raise_alert
from emonk.observe.trace import get_trace_id, trace_context
from emonk.resilience.attempts import RetryPolicy, note_attempts, settled, wait_before
from emonk.resilience.bounds import above_zero, flag, whole
from emonk.resilience.classify import OF_THE_REQUEST, retryable
from emonk.resilience.correction import CorrectedTask
from emonk.resilience.deadline import within
from emonk.resilience.layer import RetryLayer
from emonk.resilience.strategies import STRATEGIES

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_log = logging.getLogger("emonk.resilience")


class Executes(Protocol[T_co]):
    """Whatever runs tasks; an `Agent` does."""

    async def execute(self, task: dict[str, Any], /) -> T_co: ...


async def execute_with_recovery(
    agent: Executes[T],
    task: Mapping[str, Any],
    *,
    max_retries: int = 3,
    deadline: float | None = None,
    jitter: bool = True,
    alert: Callable[[Alert], object] | None = None,
    clock: Clock = SYSTEM_CLOCK,
    random: Callable[[], float] = random.random,
) -> T:
    """Have an agent execute a task, and do what each kind of error asks for.

    - `AgentError`: its message and hint are added to the context, and the agent tries again at once. From the second
      on the task names the lead model (`task["model"] = "lead"`), unless the caller chose another than the worker.
      `OutcomeUnknown` and `PermissionDenied` are raised at once.
    - `InfraError`: tried again after the waits of `STRATEGIES["models"]`, never before `retry_after`. Not where waiting
      does not help (quota, lost session, final), nor where a retry within the agent already gave up.
    - `ConfigError`: raised at once, with a critical alert (unless it is the request that is too long, or blocked by a
      policy).
    - Anything else: logged with its trace id, alerted, raised.

    Args:
        agent: `await agent.execute(task)` is called once for each attempt.
        task: at least `input`; `context`, a list of messages, is optional. It stays as it is: every attempt
            gets a copy.
        max_retries: retries after the first attempt, over all kinds of errors.
        deadline: seconds for everything. A wait that would pass it is not begun.
        jitter: wait a random part of the time (full jitter) instead of all of it.
        alert: told of what a person must see; plain or async, what it raises is logged. Without it,
            `emonk.observe.alerts.raise_alert` is.
        clock: measures the seconds and sleeps.
        random: gives the jitter, from 0 to below 1.

    Returns:
        What `execute` returned.

    Raises:
        InvalidConfig: an argument that cannot be used; nothing was executed.
        AgentError, InfraError: the retries are used up. It is of the last error's class and names it and the number
            of attempts; the last error is its cause.
        DeadlineExceeded: the deadline passed during an attempt; its cause is the last error.
        Exception: what is not tried again, itself.
    """
    if not callable(getattr(agent, "execute", None)):
        raise InvalidConfig(
            f"agent is of type {type(agent).__name__}", hint="give something with `async def execute(task)`"
        )
    if alert is not None and not callable(alert):
        raise InvalidConfig(f"alert is {alert!r}", hint="give a function that takes an Alert")
    run = _Recovery(
        agent,
        CorrectedTask(task, named=getattr(agent, "continues_tasks", False) is True),
        retries=whole("max_retries", max_retries),
        policy=msgspec.structs.replace(STRATEGIES["models"], jitter=flag("jitter", jitter)),
        alert=raise_alert if alert is None else alert,
        clock=clock,
        random=random,
    )
    limit = None if deadline is None else above_zero("deadline", deadline)
    with trace_context(get_trace_id()):
        if limit is None:
            return await run.until_over()
        run.until = clock.monotonic() + limit
        try:
            return await within(limit, run.until_over(), clock=clock, what="the task")
        except DeadlineExceeded as error:
            if error is not run.raised:
                run.out_of_time()
                raise error from run.last
            raise


class _Recovery(Generic[T]):
    """One task with all its attempts.

    Attributes:
        last: the error of the last attempt that failed.
        raised: what ended it, unless the deadline did.
        until: when there is no time left, on the clock's `monotonic()`.
    """

    def __init__(
        self,
        agent: Executes[T],
        task: CorrectedTask,
        *,
        retries: int,
        policy: RetryPolicy,
        alert: Callable[[Alert], object],
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._agent = agent
        self._task = task
        self._retries = retries
        self._policy = policy
        self._alert = alert
        self._clock = clock
        self._random = random
        self._layer = RetryLayer()
        self._waits = 0
        self.last: Exception | None = None
        self.raised: Exception | None = None
        self.until: float | None = None

    async def until_over(self) -> T:
        try:
            for number in itertools.count(1):
                with RetryLayer() as self._layer:
                    try:
                        return cast("T", await settled(self._agent.execute(self._task.copy())))
                    except (AgentError, InfraError) as error:
                        self.last = error
                        wait = self._wait_after(error, number)
                if wait > 0:
                    await self._clock.sleep(wait)
        except Exception as error:
            self.raised = error
            await self._report(error)
            raise
        raise AssertionError  # the loop has no end

    def out_of_time(self) -> None:
        if self._retries:
            self._layer.give_up()

    def _wait_after(self, error: AgentError | InfraError, number: int) -> float:
        """Seconds before the next attempt.

        Raises:
            AgentError, InfraError: there is none.
        """
        reason = self._why_not(error)
        if reason is None and number <= self._retries:
            wait = self._wait_before_next(error)
            if not isinstance(wait, str):
                _log.info("attempt %d of a task failed: %s; trying again in %.3g s", number, error, wait)
                return wait
            reason = wait
        if self._retries or self._layer.inner_gave_up:
            self._layer.give_up()
        if reason is None:
            raise _exhausted(error, number) from error
        note_attempts(error, number, reason)
        raise error

    def _why_not(self, error: AgentError | InfraError) -> str | None:
        """Why there is no other attempt, however many are left; None when there may be one."""
        match error:
            case _ if self._layer.cancelled:
                return "the task was cancelled"
            case OutcomeUnknown() | PermissionDenied():
                return "this error is not retried"
            case InfraError() if self._layer.inner_gave_up:
                return "a retry within it gave up"
            case InfraError() if not (retryable(error) or (isinstance(error, CircuitOpen) and not error.final)):
                return "waiting does not help"
            case _:
                return None

    def _wait_before_next(self, error: AgentError | InfraError) -> float | str:
        if isinstance(error, AgentError):
            self._task.learn(error)
            return 0.0
        self._waits += 1
        chance = self._random()
        return wait_before(self._waits, error, self._policy, chance=chance, clock=self._clock, until=self.until)

    async def _report(self, error: Exception) -> None:
        """Tell people of what only they can mend."""
        name = getattr(self._agent, "name", "")
        name = name if isinstance(name, str) else ""
        match error:
            case AgentError() | InfraError():
                return
            case ConfigError() if error.code in OF_THE_REQUEST:
                return
            case ConfigError():
                level: Level = "critical"
                cause = f"{error.code} {name or 'task'}"
                message = f"a task cannot be done: {error}"
            case _:
                level = "error"
                cause = f"internal_error {type(error).__name__}"
                message = f"a task failed: {''.join(traceback.format_exception_only(error)).strip()}"
                _log.exception("a task failed, trace %s", get_trace_id(), exc_info=error)
        try:
            await settled(self._alert(Alert(cause, level, message, get_trace_id() or "", name)))
        except Exception:  # noqa: BLE001 - logged; the error itself is what the caller must see
            _log.exception("an alert could not be raised")


def _exhausted(last: AgentError | InfraError, number: int) -> AgentError | InfraError:
    """The last error's kind, as far as it is emonk's own: others may be made of anything."""
    attempts = f"{number} attempt{'s' if number > 1 else ''}"
    message = f"the task failed after {attempts}. Last error: {last.message}"
    kinds = [kind for kind in type(last).__mro__ if kind.__module__ == errors.__name__]
    if isinstance(last, InfraError):
        kind = cast("type[InfraError]", kinds[0])
        return kind(message, hint=last.hint, code=last.code, retry_after=last.retry_after, final=last.final)
    return cast("type[AgentError]", kinds[0])(message, hint=last.hint, code=last.code)
