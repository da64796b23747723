"""What stores keep beside the event log."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import msgspec

METADATA_BYTES = 65_536

ReplyStatus = Literal["done", "waiting_approval", "waiting_effect", "failed", "limit", "busy", "cancelled"]


class RiskLevel(StrEnum):
    """How much harm a tool can do; what does not declare its risk is HIGH."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Usage(msgspec.Struct, frozen=True, gc=False):
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


class SessionKey(msgspec.Struct, frozen=True, gc=False, order=True):
    """A session belongs to an agent."""

    agent: str
    session_id: str


class Session(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is known of a session beside its log. Times are UTC microseconds.

    Attributes:
        user_id: who began it; the first of `participants`.
        revision: of the last event in its log.
        message_count: messages of users whose turn has begun.
        title: the start of its first message, or the name that it was given.
        token_count: estimated tokens of the context that its next turn starts from.
        context_compressed: its context starts with a summary.
        metadata: what its creator attached, JSON of at most `METADATA_BYTES`.
    """

    agent: str
    session_id: str
    user_id: str
    participants: tuple[str, ...]
    created_at: int
    last_active: int
    revision: int = 0
    message_count: int = 0
    title: str = ""
    token_count: int = 0
    context_compressed: bool = False
    metadata: dict[str, Any] = {}

    @property
    def key(self) -> SessionKey:
        return SessionKey(self.agent, self.session_id)


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Who holds a lease: enough to see on the same host that it is dead.

    `started` is the process's start in clock ticks since boot; `token` is made anew by every holder.
    """

    host: str
    boot: str
    pid: int
    started: int
    token: str


class Lease(msgspec.Struct, frozen=True, gc=False):
    """The right to write to a session until `expires` (UTC microseconds, on the store's clock).

    `fence` grows with every grant; a write that carries an older one is refused.
    """

    session: SessionKey
    owner: Owner
    fence: int
    expires: int


class Reply(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a turn came to.

    `cost_usd` is None when a price is not known, or when a call broke off that the provider may bill.
    `reason` is the code of the error or limit that ended the turn, empty when it is done. `degraded` says that no
    language model could be reached, so that rules alone answered; `error` is the class of `emonk.errors` that ended
    the turn, empty where none did.
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


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is kept under a key of a namespace, and changed by compare-and-set.

    Attributes:
        version: 1 for the first, one more with every change.
        session: to which it belongs and with which it goes; None for what outlives sessions.
        state: a word by which it can be listed.
        due_at: from when on `due_records` lists it; None for never. UTC microseconds, as `updated_at`.
    """

    namespace: str
    key: str
    data: bytes
    version: int
    updated_at: int
    session: SessionKey | None = None
    state: str = ""
    due_at: int | None = None


class EffectState(StrEnum):
    """How far an effect has come; `prepared -> sending -> done | rejected | unknown`."""

    PREPARED = "prepared"
    SENDING = "sending"
    DONE = "done"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """An action that the outside world sees, as the ledger keeps it. Times are UTC microseconds.

    Attributes:
        key: of tool, account, canonical arguments and occasion; never of the model's call id.
        account: in whose name it acts outside; empty where there is only one.
        occasion: the approval, slot or turn that it is for.
        attempts: how often it was sent.
        remote_id: by which the outside knows it, once it is done.
        content: the tool's result, or the message of the error that ended it.
        error: that error's code.
    """

    key: str
    session: SessionKey
    user_id: str
    trace_id: str
    tool: str
    arguments: dict[str, Any]
    occasion: str
    created_at: int
    updated_at: int
    account: str = ""
    state: EffectState = EffectState.PREPARED
    attempts: int = 0
    remote_id: str = ""
    content: str = ""
    error: str = ""


class ApprovalState(StrEnum):
    """What became of a question to people."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A question to the allowed approvers, bound to the exact arguments. Times are UTC microseconds."""

    approval_id: str
    session: SessionKey
    call_id: str
    tool: str
    arguments: dict[str, Any]
    digest: str
    risk: RiskLevel
    requested_by: str
    approvers: tuple[str, ...]
    created_at: int
    expires_at: int
    state: ApprovalState = ApprovalState.PENDING
    decided_by: str = ""
    decided_at: int | None = None
    comment: str = ""


class UsageRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call of a provider, for the bill. Rows outlive their sessions and hold nothing that was said.

    Attributes:
        row_id: names the call; the row that is written after the call takes the place of the one before it.
        purpose: what it was for: `turn`, `summary`, `rerun`, ...
        state: `started` before the call, then `completed` or `failed`.
        started_at: UTC microseconds; `seconds` is how long it took.
        cost_usd: None when it is not known: no price is, or whether the provider bills a call that broke off.
        error: the code of the error that ended it.
        message_id: of the message whose turn it belongs to.
        role: of the model: `lead`, `worker` or `fallback`.
        lead: the model string of the agent's lead, for what the same tokens would have cost there.
        price: the rates that gave `cost_usd`, by kind of token and as text; empty where there were none.
        estimate_usd: what it was expected to cost at most, where a budget asked for that before the call.
    """

    row_id: str
    agent: str
    session_id: str
    user_id: str
    trace_id: str
    purpose: str
    provider: str
    model: str
    state: Literal["started", "completed", "failed"]
    started_at: int
    seconds: float = 0.0
    usage: Usage = Usage()
    cost_usd: Decimal | None = Decimal(0)
    error: str = ""
    message_id: str = ""
    role: str = ""
    lead: str = ""
    price: dict[str, str] = {}
    estimate_usd: Decimal | None = None


class Memory(msgspec.Struct, frozen=True):
    """Something that an agent was told to remember for a user. Times are UTC microseconds."""

    key: str
    text: str
    created_at: int
    updated_at: int
