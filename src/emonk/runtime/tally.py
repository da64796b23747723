"""What a turn has used up, and when that ends it."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from emonk.errors import AgentError
from emonk.events import Event, ModelSaid, StepFailed, Summarised, ToolReturned
from emonk.messages import ToolResult
from emonk.records import Usage
from emonk.routing.course import UNUSABLE
from emonk.runtime.ending import Ending, TurnEnded
from emonk.runtime.limits import FAILURES, REPEATED_FAILURES, Limits

_UNUSABLE = ("", "unusable")


class Tally:
    """Steps, tokens, dollars and failures of one turn, counted from its log when it is resumed.

    Attributes:
        steps: answers of models.
        usage: their tokens.
        cost: their USD, None once one of them is unknown.
        known: USD of those that are known.
        failures: how often something went wrong; equal failures of one step count once.
    """

    def __init__(self, before: Iterable[Event] = ()) -> None:
        self.steps = 0
        self.usage = Usage()
        self.cost: Decimal | None = Decimal(0)
        self.known = Decimal(0)
        self._priced = True
        self.failures = 0
        self._failures: dict[tuple[str, str], int] = {}
        if before:
            self._recount(before)

    def step(self, usage: Usage, cost: Decimal | None, *, usable: bool = True) -> None:
        """A model call was made; a `cost` of None makes the whole unknown."""
        self.steps += 1
        self._priced = self._priced and (cost is not None or not usable)
        self.spend(usage, cost)

    def spend(self, usage: Usage, cost: Decimal | None) -> None:
        """A model was paid for something that is no step."""
        self.usage = self.usage + usage
        self.known += cost or 0
        self.cost = None if cost is None or self.cost is None else self.cost + cost

    def check(self, limits: Limits) -> None:
        """End the turn where it may not ask the model again."""
        if self.steps >= limits.steps:
            raise TurnEnded(Ending("limit", f"Stopped after {limits.steps} steps without a final answer.", "steps"))
        if limits.usd is not None and (not self._priced or self.known >= limits.usd):
            spent = f"{self.known} USD" if self._priced else "an unknown amount"
            raise TurnEnded(Ending("limit", f"Stopped: {spent} spent, the limit is {limits.usd} USD.", "usd"))

    def fail(self, returned: Sequence[ToolReturned]) -> None:
        """Count a step's failures, and end the turn at the third equal one."""
        for result in self._count_step(returned):
            if self._failures[_key(result)] >= REPEATED_FAILURES:
                text = f"Stopped: {result.name} failed {REPEATED_FAILURES} times the same way. {result.content}"
                raise TurnEnded(Ending("failed", text, result.error or "", error=AgentError.__name__))
        if self.failures >= FAILURES:
            text = f"Stopped: {self.failures} calls failed, the last with: {returned[-1].result.content}"
            raise TurnEnded(Ending("failed", text, "too_many_failures", error=AgentError.__name__))

    def unusable(self) -> int:
        """Count an answer of the model that cannot be used; how many there were."""
        self.failures += 1
        return self._count(_UNUSABLE)

    def usable(self) -> None:
        """An answer could be used: those before it, which could not, are forgiven."""
        self._failures.pop(_UNUSABLE, None)

    def _count_step(self, returned: Iterable[ToolReturned]) -> list[ToolResult]:
        """Equal failures within one step count once: the model had not seen the first when it made the second."""
        failed = [one.result for one in returned if one.result.error]
        if failed:
            failed = list({_key(one): one for one in failed}.values())
            for one in failed:
                self._count(_key(one))
                self.failures += 1
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
                    self.usable()
                    self._count_step(step)
                    step = []
                case StepFailed(code=code, usage=usage, cost_usd=cost) if code in UNUSABLE:
                    self.step(usage, cost, usable=False)
                    self.unusable()
                case Summarised(usage=usage, cost_usd=cost):
                    self.spend(usage, cost)
                case _:
                    continue
        self._count_step(step)


def _key(result: ToolResult) -> tuple[str, str]:
    return result.name, result.content
