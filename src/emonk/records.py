"""What stores keep beside the event log."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

ReplyStatus = Literal["done", "waiting_approval", "waiting_effect", "failed", "limit", "busy", "cancelled"]


class RiskLevel(StrEnum):
    """How much harm a tool can do; what does not declare its risk is HIGH."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one model call, in one definition for all providers.

    `input_tokens` includes cached and tool-use prompt tokens, `output_tokens` includes reasoning.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


class SessionKey(msgspec.Struct, frozen=True, order=True):
    """A session belongs to an agent."""

    agent: str
    session_id: str


class Owner(msgspec.Struct, frozen=True):
    """Who holds a lease: enough to see on the same host that it is dead.

    `started` is the process's start in clock ticks since boot; `token` is made anew by every holder.
    """

    host: str
    boot: str
    pid: int
    started: int
    token: str


class Lease(msgspec.Struct, frozen=True):
    """The right to write to a session until `expires` (UTC microseconds, on the store's clock).

    `fence` grows with every grant; a write that carries an older one is refused.
    """

    session: SessionKey
    owner: Owner
    fence: int
    expires: int


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn came to.

    `cost_usd` is None when a price is not known. `reason` is the code of the error or limit that
    ended the turn, empty when it is done. `degraded` says that no language model could be reached, so that
    rules alone answered; `error` is the class of `emonk.errors` that ended the turn, empty where none did.
    """

    text: str
    status: ReplyStatus
    session_id: str
    message_id: str
    trace_id: str
    steps: int = 0
    cost_usd: Decimal | None = Decimal(0)
    usage: Usage = Usage()
    reason: str = ""
    degraded: bool = False
    error: str = ""
