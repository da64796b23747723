"""Two runs of one turn, side by side."""

from difflib import SequenceMatcher
from typing import Literal

import msgspec

from emonk.messages import ToolCall
from emonk.runtime.recorded import RecordedCall, RecordedTurn


class CallDifference(msgspec.Struct, frozen=True):
    """A call that both runs made (then it is the new one's), or only one of them."""

    made_by: Literal["both", "recorded", "new"]
    call: RecordedCall


class TurnComparison(msgspec.Struct, frozen=True):
    """A turn as it was recorded and as it went now; `calls` in the order in which they were made."""

    recorded: RecordedTurn
    new: RecordedTurn
    calls: tuple[CallDifference, ...]

    @property
    def same_answer(self) -> bool:
        """Both ended alike, with the same words; how these are spaced does not matter."""
        old, new = self.recorded, self.new
        return old.status == new.status and old.text.split() == new.text.split()

    @property
    def same_calls(self) -> bool:
        return all(one.made_by == "both" for one in self.calls)


def compare(recorded: RecordedTurn, new: RecordedTurn) -> TurnComparison:
    """What differs: the answers, and which tools were called with which arguments in which order."""
    return TurnComparison(recorded, new, tuple(_aligned(recorded.calls, new.calls)))


def call_key(call: ToolCall) -> tuple[str, bytes]:
    """What makes two calls the same: the tool, and arguments that are equal as JSON, in whatever order."""
    given = call.arguments if call.malformed is None else call.malformed
    return call.name, msgspec.json.encode(given, order="deterministic")


def _aligned(recorded: tuple[RecordedCall, ...], new: tuple[RecordedCall, ...]) -> list[CallDifference]:
    keys = [call_key(one.call) for one in recorded], [call_key(one.call) for one in new]
    found: list[CallDifference] = []
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [CallDifference("both", one) for one in new[new_from:new_to]]
        else:
            found += [CallDifference("recorded", one) for one in recorded[old_from:old_to]]
            found += [CallDifference("new", one) for one in new[new_from:new_to]]
    return found
