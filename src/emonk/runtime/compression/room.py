"""How much room an agent's requests have."""

from collections.abc import Iterable

import msgspec

from emonk.models.protocol import ToolLike
from emonk.models.tokens import UNKNOWN, Family, family_of, tokens_of_request
from emonk.runtime.compression.section import BUDGET, KEPT, ContextSection
from emonk.runtime.compression.shortening import usual_limit


class Room(msgspec.Struct, frozen=True):
    """What applies to every turn of an agent.

    Attributes:
        budget: tokens of a request.
        keep: messages that stay at the end.
        shown: characters of a result that are usually shown.
        spec: of the model that usually answers, and its `family`.
        fixed: tokens of instructions and tools.
    """

    budget: int = BUDGET
    keep: int = KEPT
    shown: int = usual_limit(BUDGET)
    spec: str = ""
    family: Family = UNKNOWN
    fixed: int = 0


def room_of(
    section: ContextSection, spec: str, window: int | None, instructions: str, tools: Iterable[ToolLike]
) -> Room:
    """The room of an agent whose requests go to the model named by `spec`, with that window if it is known."""
    family, budget = family_of(spec), section.within(window)
    fixed = tokens_of_request(instructions, tools, family)
    return Room(budget, section.keep, usual_limit(budget), spec, family, fixed)
