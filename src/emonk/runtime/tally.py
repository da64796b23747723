"""What a turn has used up, and when that ends it."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from emonk.events import Event, ModelSaid, StepFailed, ToolReturned
from emonk.messages import ToolResult
from emonk.records import ReplyStatus, Usage
from emonk.runtime.limits import REPEATED_FAILURES, Limits


class TurnEnded(Exception):
    """The turn is over without an answer of the model; `events` still belong into its log."""

    def __init__(self, status: ReplyStatus, reason: str, text: str, *events: Event) -> None:
        super().__init__(text)
        self.status: ReplyStatus = status
        self.reason = reason
        self.text = text
        self.events = events


class Tally:
    """Steps, tokens, dollars and failures of one turn, counted from its log when it is resumed."""

    def __init__(self, before: Iterable[Event] = ()) -> None:
        self.steps = 0
        self.usage = Usage()
        self.cost: Decimal | None = Decimal(0)
        self._failures: dict[tuple[str, str], int] = {}
        for event in before:
            self._recount(event)

    def step(self, usage: Usage, cost: Decimal | None) -> None:
        """A model call was made; a `cost` of None makes the whole unknown."""
        self.steps += 1
        self.usage = self.usage + usage
        self.cost = None if cost is None or self.cost is None else self.cost + cost

    def check(self, limits: Limits) -> None:
        """End the turn where it may not ask the model again."""
        if self.steps >= limits.steps:
            raise TurnEnded("limit", "steps", f"Stopped after {limits.steps} steps without a final answer.")
        if limits.usd is not None and (self.cost is None or self.cost >= limits.usd):
            spent = "an unknown amount" if self.cost is None else f"{self.cost} USD"
            raise TurnEnded("limit", "usd", f"Stopped: {spent} spent, the limit is {limits.usd} USD.")

    def fail(self, returned: Sequence[ToolReturned]) -> None:
        """Count a step's failures, and end the turn at the third equal one.

        Equal failures within one step count once: the model had not seen the first when it made the second.
        """
        for result in {_key(one.result): one.result for one in returned if one.result.error}.values():
            if self._count(_key(result)) >= REPEATED_FAILURES:
                text = f"Stopped: {result.name} failed {REPEATED_FAILURES} times the same way. {result.content}"
                raise TurnEnded("failed", result.error or "", text)

    def unusable(self) -> int:
        """Count an answer of the model that cannot be used; how many there were."""
        return self._count(("", "unusable"))

    def _count(self, key: tuple[str, str]) -> int:
        self._failures[key] = self._failures.get(key, 0) + 1
        return self._failures[key]

    def _recount(self, event: Event) -> None:
        match event:
            case ModelSaid(usage=usage, cost_usd=cost):
                self.step(usage, cost)
            case StepFailed(usage=usage, cost_usd=cost):
                self.step(usage, cost)
                self.unusable()
            case ToolReturned(result=result) if result.error:
                self._count(_key(result))
            case _:
                return


def _key(result: ToolResult) -> tuple[str, str]:
    return result.name, result.content
