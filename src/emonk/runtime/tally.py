"""What a turn has used up, and when that ends it."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from emonk.errors import (
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    InvalidConfig,
    MissingCredential,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.events import Event, ModelSaid, StepFailed, ToolReturned
from emonk.messages import ToolResult
from emonk.records import Usage
from emonk.runtime.ending import Ending, TurnEnded
from emonk.runtime.limits import FAILURES, REPEATED_FAILURES, STRUGGLING, Limits

NOT_THE_MODELS = frozenset(
    kind.default_code
    for kind in (
        CircuitOpen,
        ConfigError,
        DeadlineExceeded,
        InvalidConfig,
        MissingCredential,
        OutcomeUnknown,
        PermissionDenied,
        QuotaExhausted,
        RateLimited,
        Unavailable,
    )
)
"""Codes of failures that no other model would avoid."""


class Tally:
    """Steps, tokens, dollars and failures of one turn, counted from its log when it is resumed.

    Attributes:
        steps: answers of models.
        usage: their tokens.
        cost: their USD, None once one of them is unknown.
        failures: what went wrong and a better model might do better: equal failures of one step count once.
    """

    def __init__(self, before: Iterable[Event] = ()) -> None:
        self.steps = 0
        self.usage = Usage()
        self.cost: Decimal | None = Decimal(0)
        self.failures = 0
        self._failures: dict[tuple[str, str], int] = {}
        self._recount(before)

    def step(self, usage: Usage, cost: Decimal | None) -> None:
        """A model call was made; a `cost` of None makes the whole unknown."""
        self.steps += 1
        self.usage = self.usage + usage
        self.cost = None if cost is None or self.cost is None else self.cost + cost

    def check(self, limits: Limits) -> None:
        """End the turn where it may not ask the model again."""
        if self.steps >= limits.steps:
            raise TurnEnded(Ending("limit", f"Stopped after {limits.steps} steps without a final answer.", "steps"))
        if limits.usd is not None and (self.cost is None or self.cost >= limits.usd):
            spent = "an unknown amount" if self.cost is None else f"{self.cost} USD"
            raise TurnEnded(Ending("limit", f"Stopped: {spent} spent, the limit is {limits.usd} USD.", "usd"))

    @property
    def struggling(self) -> bool:
        """It is time to ask the lead."""
        return self.failures >= STRUGGLING

    def fail(self, returned: Sequence[ToolReturned]) -> None:
        """Count a step's failures, and end the turn at the third equal one."""
        for result in self._count_step(returned):
            if self._failures[_key(result)] >= REPEATED_FAILURES:
                text = f"Stopped: {result.name} failed {REPEATED_FAILURES} times the same way. {result.content}"
                raise TurnEnded(Ending("failed", text, result.error or ""))
        if self.failures >= FAILURES:
            text = f"Stopped: {self.failures} calls failed, the last with: {returned[-1].result.content}"
            raise TurnEnded(Ending("failed", text, "too_many_failures"))

    def unusable(self) -> int:
        """Count an answer of the model that cannot be used; how many there were."""
        self.failures += 1
        return self._count(("", "unusable"))

    def _count_step(self, returned: Iterable[ToolReturned]) -> list[ToolResult]:
        """Equal failures within one step count once: the model had not seen the first when it made the second."""
        failed = list({_key(one.result): one.result for one in returned if one.result.error}.values())
        for result in failed:
            self._count(_key(result))
            self.failures += result.error not in NOT_THE_MODELS
        return failed

    def _count(self, key: tuple[str, str]) -> int:
        self._failures[key] = self._failures.get(key, 0) + 1
        return self._failures[key]

    def _recount(self, events: Iterable[Event]) -> None:
        step: list[ToolReturned] = []
        for event in events:
            match event:
                case ToolReturned():
                    step.append(event)
                case ModelSaid(usage=usage, cost_usd=cost):
                    self.step(usage, cost)
                    self._count_step(step)
                    step = []
                case StepFailed(code="malformed_output", usage=usage, cost_usd=cost):
                    self.step(usage, cost)
                    self.unusable()
                case _:
                    continue
        self._count_step(step)


def _key(result: ToolResult) -> tuple[str, str]:
    return result.name, result.content
