"""What can go wrong, in words that can be printed."""

from enum import StrEnum
from random import Random

import msgspec

from emonk.models.gemini.errors import HOURS


class ModelFault(StrEnum):
    """What becomes of one call of a model."""

    DROPPED_BEFORE = "dropped before"
    """The connection ends before the provider has the request."""
    DROPPED_AFTER = "dropped after"
    """The provider answers, and bills; the answer is lost on its way."""
    UNREACHABLE = "unreachable"
    HTTP_500 = "500"
    HTTP_503 = "503"
    HTTP_503_HINT = "503 with hint"
    HTTP_504 = "504"
    RATE_LIMITED = "429"
    RATE_LIMITED_HINT = "429 with hint"
    QUOTA = "quota exhausted"
    BAD_KEY = "key refused"
    SLOW = "slow"
    SILENT = "falls silent"
    """Nothing comes for as long as an adapter waits; then it gives up."""
    HANGS = "hangs"
    """Nothing comes, ever."""
    CUT = "stream cut"
    """The connection ends in the middle of the answer; a whole answer is lost as a whole."""
    MALFORMED = "malformed call"
    EMPTY = "empty candidate"
    BLOCKED = "safety block"
    TRUNCATED = "output limit"
    UNKNOWN_TOOL = "unknown tool"
    BAD_ARGUMENTS = "bad arguments"
    NO_JSON = "arguments that are no JSON"
    SAME_IDS = "calls of one id"
    BUG = "adapter raises"
    """An exception that no adapter should raise."""
    CONNECTION = "plain ConnectionError"
    """As an adapter of a user's own lets it through."""
    TIMEOUT = "plain TimeoutError"
    RESET = "plain ConnectionResetError within the answer"
    UNREADABLE = "raises MalformedOutput"
    """The adapter makes nothing of the answer."""


class ToolFault(StrEnum):
    """What becomes of one run of a tool."""

    RAISES = "raises"
    CORRECTABLE = "raises AgentError"
    CONFIG = "raises ConfigError"
    UNAVAILABLE = "unavailable"
    """Said before it acted."""
    UNAVAILABLE_HINT = "unavailable with hint"
    DROPPED_AFTER = "dropped after acting"
    UNKNOWN = "outcome unknown"
    """It may have acted, and says so; here it has."""
    SLOW = "slow"
    HANGS = "hangs before acting"
    HANGS_AFTER = "hangs after acting"
    EXITS = "raises SystemExit"
    CANCELS = "cancels itself"
    HUGE = "huge result"
    HALF = "half a character"


class Fault(msgspec.Struct, frozen=True):
    """A fault and its measure: `seconds` of slowness, or of a server's hint."""

    kind: ModelFault | ToolFault
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.seconds:g} s" if self.seconds else str(self.kind)


OUTAGES = (
    ModelFault.UNREACHABLE,
    ModelFault.DROPPED_BEFORE,
    ModelFault.DROPPED_AFTER,
    ModelFault.HTTP_503,
    ModelFault.HTTP_503_HINT,
    ModelFault.RATE_LIMITED,
    ModelFault.RATE_LIMITED_HINT,
    ModelFault.SILENT,
    ModelFault.HANGS,
    ModelFault.CONNECTION,
)
"""What a provider does to everybody for minutes."""

_RARE = frozenset({ModelFault.HANGS, ModelFault.SILENT, ModelFault.QUOTA, ModelFault.BAD_KEY, ModelFault.BUG})
_MODEL = [kind for kind in ModelFault for _ in range(1 if kind in _RARE else 3)]
_RARE_TOOL = frozenset({ToolFault.HUGE, ToolFault.HALF, ToolFault.EXITS, ToolFault.CANCELS, ToolFault.HANGS})
_TOOL = [kind for kind in ToolFault for _ in range(1 if kind in _RARE_TOOL else 3)]


def model_fault(random: Random) -> Fault:
    """Any fault of a model."""
    return measured(random.choice(_MODEL), random)


def tool_fault(random: Random) -> Fault:
    """Any fault of a tool."""
    return measured(random.choice(_TOOL), random)


def measured(kind: ModelFault | ToolFault, random: Random) -> Fault:
    """The fault with its seconds, where it has some."""
    match kind:
        case ModelFault.SLOW | ToolFault.SLOW:
            return Fault(kind, random.choice((5.0, 20.0, 45.0, 90.0)))
        case ModelFault.RATE_LIMITED_HINT | ModelFault.HTTP_503_HINT | ToolFault.UNAVAILABLE_HINT:
            return Fault(kind, random.choice((0.5, 2.0, 7.0, 30.0, 90.0)))
        case ModelFault.QUOTA:
            return Fault(kind, HOURS)
        case _:
            return Fault(kind)
