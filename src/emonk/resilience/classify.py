"""What an error means for those who would send a request again, and for a circuit breaker.

emonk's own errors say it by their class. Others are read by what the usual clients put on them: `ConnectionError` and
`TimeoutError`, or an HTTP status as `status` (aiohttp), `status_code`, or `response.status_code` (httpx, requests).
"""

import sys
from enum import StrEnum

from emonk.errors import (
    AgentError,
    CircuitOpen,
    ConfigError,
    Conflict,
    EmonkError,
    InfraError,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    StaleSession,
)

OF_THE_REQUEST = frozenset({"context_overflow", "blocked"})
"""Codes of `ConfigError` that one request brought about: final like the others, but nobody is alerted."""

SHED = "overloaded"
"""The code of an `Unavailable` that emonk's own concurrency limit raised: the dependency was not asked."""

_TRY_AGAIN = frozenset({408, 425, 429})


class Verdict(StrEnum):
    """What a circuit breaker makes of the end of a call."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"
    COOL_DOWN = "cool_down"


class ToolFailure(StrEnum):
    """What the failure of a tool means for the model.

    `correctable`: it may call again, otherwise. `terminal`: it must not. `unknown`: the call may have acted, and must
    not be repeated before somebody has looked.
    """

    CORRECTABLE = "correctable"
    TERMINAL = "terminal"
    UNKNOWN = "unknown"


def retryable(error: BaseException) -> bool:
    """Whether the very same request may be sent again after a while.

    Not what a human or the model must act on, not what waiting will not mend within a turn (a quota, an open breaker, a
    lost session), not after output began (`final`), and never a cancellation.
    """
    match error:
        case QuotaExhausted() | CircuitOpen() | StaleSession() | Conflict():
            return False
        case InfraError():
            return not error.final and error.code != SHED
        case EmonkError():
            return False
        case ConnectionError() | TimeoutError():
            return True
        case Exception():
            status = status_of(error)
            return status is not None and (status >= 500 or status in _TRY_AGAIN)
        case _:
            return False


def verdict(error: BaseException | None) -> Verdict:
    """What a breaker records: failures of the dependency, and nothing that its caller or a policy is the reason of."""
    match error:
        case None:
            return Verdict.SUCCESS
        case RateLimited() | QuotaExhausted():
            return Verdict.COOL_DOWN
        case OutcomeUnknown():
            return Verdict.FAILURE  # the other side fell silent after it may have acted
        case AgentError() | ConfigError() | CircuitOpen() | StaleSession() | Conflict():
            return Verdict.IGNORED
        case InfraError():
            return Verdict.IGNORED if error.code == SHED else Verdict.FAILURE
        case Exception():
            return _verdict_on(status_of(error))
        case _:
            return Verdict.IGNORED


def hint_of(error: BaseException) -> float | None:
    """Seconds that the other side asked to wait; None when it named none, or nothing that makes sense."""
    seconds = _told(error, "retry_after")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= sys.float_info.max:
        return None
    return float(seconds)


def tool_failure(error: BaseException, *, idempotent: bool) -> ToolFailure:
    """What an error that a tool raised means; whatever broke off an action on the outside leaves its outcome unknown.

    An error of emonk's own raised on purpose (`RateLimited`, `CircuitOpen`, `Unavailable`) says that nothing was done,
    unless it is a `DeadlineExceeded` or one whose connection broke.
    """
    match error:
        case OutcomeUnknown():
            return ToolFailure.UNKNOWN
        case PermissionDenied():
            return ToolFailure.TERMINAL
        case AgentError():
            return ToolFailure.CORRECTABLE
        case ConfigError():
            return ToolFailure.TERMINAL
        case _ if not idempotent and _broke_off(error):
            return ToolFailure.UNKNOWN
        case InfraError():
            return ToolFailure.TERMINAL
        case _:
            return ToolFailure.CORRECTABLE


def _broke_off(error: BaseException) -> bool:
    match error:
        case InfraError():
            return error.code in {"deadline_exceeded", "disconnected", "interrupted"}
        case ConnectionRefusedError():
            return False  # nothing was sent
        case ConnectionError() | TimeoutError():
            return True
        case _:
            return False


def _verdict_on(status: int | None) -> Verdict:
    if status == 429:
        return Verdict.COOL_DOWN
    refused = status is not None and 400 <= status < 500 and status not in _TRY_AGAIN
    return Verdict.IGNORED if refused else Verdict.FAILURE


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of a usual client carries."""
    found = (
        _told(error, "status"),
        _told(error, "status_code"),
        _told(_told(error, "response"), "status_code"),
    )
    return next((status for status in found if isinstance(status, int) and 100 <= status <= 599), None)


def _told(source: object, name: str) -> object:
    """An attribute of somebody else's object, None where there is none or where to ask for it raises."""
    try:
        return getattr(source, name, None)
    except Exception:  # noqa: BLE001 - an error that cannot be read says nothing, and must not hide behind another one
        return None
