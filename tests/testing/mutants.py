"""Small changes of emonk's own code, each of which breaks one promise."""

import inspect
import sys
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from emonk.resilience import attempts, breaker, budget, circuit, guard
from emonk.runtime import candidates, dispatch, turn

Plant = Callable[[pytest.MonkeyPatch], None]


def rewritten(owner: type | ModuleType, name: str, old: str, new: str) -> Plant:
    """Have a function read otherwise in one place."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        function: Any = vars(owner)[name]
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(old) == 1, f"{name} has changed: {old!r} is not there once"
        defined: dict[str, Any] = {}
        exec(source.replace(old, new), vars(sys.modules[function.__module__]), defined)
        patch.setattr(owner, name, defined[name])

    return plant


def both(one: Plant, other: Plant) -> Plant:
    """Two places that would each make up for the other."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        one(patch)
        other(patch)

    return plant


WALL = 'type("Wall", (), {"monotonic": staticmethod(clock.time), "time": staticmethod(clock.time)})()'

MUTANTS: dict[str, tuple[str | set[str], Plant]] = {
    "half open lets all callers through": (
        "half open admits only its permits",
        rewritten(
            circuit.Circuit,
            "free_at",
            "if self._out and self._probed.calls + len(self._out) >= self._settings.half_open_permits:",
            "if False:",
        ),
    ),
    "a cancelled probe keeps its permit": (
        "nothing is left over",
        rewritten(
            breaker.CircuitBreaker,
            "_settle",
            "    judged = verdict(error)\n",
            "    judged = verdict(error)\n    if judged is Verdict.IGNORED: return\n",
        ),
    ),
    "the breaker never opens": (
        "a failing model is left alone",
        rewritten(
            circuit.Circuit,
            "open",
            "if self.state is",
            "if seconds is None and self.closed: return\n    if self.state is",
        ),
    ),
    "the breaker goes partly by the wall clock": (
        "an open circuit lets nothing through",
        rewritten(breaker.CircuitBreaker, "_now", "self._clock.monotonic()", "self._clock.time()"),
    ),
    "the breaker goes by the wall clock": (
        {"an open circuit lets nothing through", "no turn goes without a model that is well"},
        rewritten(
            breaker.CircuitBreaker, "__init__", 'self._clock = clock_of("clock", clock)', f"self._clock = {WALL}"
        ),
    ),
    "an open time has no end": (
        "no turn goes without a model that is well",
        rewritten(
            circuit.Circuit, "open", "self._open_until = now + seconds", "self._open_until = now + 100 * seconds"
        ),
    ),
    "the fallback is never asked": (
        "no turn goes without a model that is well",
        rewritten(
            candidates.Candidates,
            "__init__",
            "for role in roles if role in self._by_role",
            'for role in roles if role in self._by_role and role != "fallback"',
        ),
    ),
    "the same call is allowed after an unknown outcome": (
        "no unknown outcome is retried",
        rewritten(dispatch.Dispatcher, "forbid", "self._unknown.add(_key(call))", "pass"),
    ),
    "the same call is allowed after a crash": (
        "no unknown outcome is retried",
        rewritten(turn.Turn, "_settle", "self._dispatcher.forbid(call)", "pass"),
    ),
    "the hint is ignored": (
        "a hint is waited for",
        both(
            rewritten(
                attempts,
                "wait_before",
                "wait = max(hint, policy.delay(retry, chance))",
                "wait = policy.delay(retry, chance)",
            ),
            rewritten(vars(guard)["_Call"], "_left_alone", "await guard.clock.sleep(wait)", "pass"),
        ),
    ),
    "the retry budget is never spent": (
        "retries keep their budget",
        rewritten(budget.RetryBudget, "take", "if self._tokens < 1.0:", "if False:"),
    ),
}
"""What is wrong, and the invariant that must be found broken, or one of those that may be found first."""

IN_ANOTHER_INSTANCE = rewritten(turn.Turn, "__init__", "self._dispatcher.forbid(call)", "pass")
"""The same call is allowed to whoever takes a turn over after its outcome was unknown."""
