"""What can go wrong, in three kinds: the model can correct it, the outside failed, or a human must act.

Every error carries a stable `code`, a message and a `hint` that says what to do next.
"""

from typing import ClassVar


class EmonkError(Exception):
    """Root of every error that emonk raises on purpose.

    Attributes:
        code: stable name of what happened, in snake case.
        message: one line for a reader.
        hint: what would make it right; empty when nothing is known.
        status: of HTTP, where the other side refused with one.
    """

    default_code: ClassVar[str] = "error"

    # What a class of somebody else's has whose constructor does not call this one.
    message = ""
    hint = ""
    code = "error"
    status: int | None = None

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


def kind_of(error: EmonkError) -> str:
    """The name of the nearest class of this module, where others may have made their own of it."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == __name__)


class AgentError(EmonkError):
    """The model can correct it: the message and the hint go back into its context."""

    default_code = "agent_error"


class InvalidArguments(AgentError):
    """A tool was called with arguments that its schema refuses."""

    default_code = "invalid_arguments"


class UnknownTool(AgentError):
    """The model called a tool that it was not offered."""

    default_code = "unknown_tool"


class MalformedOutput(AgentError):
    """The model's answer cannot be read: broken JSON, an empty candidate, a cut-off call."""

    default_code = "malformed_output"


class OutcomeUnknown(AgentError):
    """The call may or may not have acted on the outside: reconcile before anything repeats it."""

    default_code = "outcome_unknown"


class SessionNotFound(AgentError):
    """There is no such session, or the user has no part in it: who asks cannot tell which."""

    default_code = "unknown_session"


class PermissionDenied(AgentError):
    """Policy forbids the call; the dispatcher enforces it, not the prompt."""

    default_code = "permission_denied"


class InfraError(EmonkError):
    """The outside failed: network, provider, database, clock.

    Attributes:
        retry_after: seconds that the other side asked to wait, or None when it named none.
        final: whatever the class says, this one is not to be tried again, as after output has begun.
    """

    default_code = "infra_error"

    retry_after: float | None = None
    final = False

    def __init__(
        self, message: str, *, hint: str = "", code: str = "", retry_after: float | None = None, final: bool = False
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after = retry_after
        self.final = final


class RateLimited(InfraError):
    """A short-term limit: the same request may pass after `retry_after` seconds."""

    default_code = "rate_limited"


class QuotaExhausted(InfraError):
    """A daily or paid quota is used up: waiting within the turn is pointless, fail over."""

    default_code = "quota_exhausted"


class Unavailable(InfraError):
    """The dependency cannot serve now: refused connection, 5xx, full disk, overload."""

    default_code = "unavailable"


class DeadlineExceeded(InfraError):
    """The time allowed for the call ran out."""

    default_code = "deadline_exceeded"


class CircuitOpen(InfraError):
    """The breaker refused the call without sending it."""

    default_code = "circuit_open"


class StaleSession(InfraError):
    """Another writer moved the session on; nothing of this write was kept."""

    default_code = "stale_session"


class Conflict(InfraError):
    """Somebody else changed it first, or it is there already; nothing of this write was kept."""

    default_code = "conflict"


class ConfigError(EmonkError):
    """A human must act; it is never retried."""

    default_code = "config_error"


class MissingCredential(ConfigError):
    """A key or token is absent or refused."""

    default_code = "missing_credential"


class InvalidConfig(ConfigError):
    """A setting cannot be used as it is written."""

    default_code = "invalid_config"


class SkillNotFound(ConfigError):
    """A configured skill does not exist, or cannot be loaded."""

    default_code = "skill_not_found"


class UnknownPrice(ConfigError):
    """No price is known for the model, so neither a cost nor a limit in USD can be computed."""

    default_code = "unknown_price"


class BudgetExceeded(ConfigError):
    """The next call would cost more than the budget allows."""

    default_code = "budget_exceeded"
