"""What an error that ended an effect says of the outside: that it did not act, or nothing.

Stricter than for other tools. What does not say clearly that nothing was done may have acted.
"""

from collections.abc import Iterator
from socket import gaierror

from emonk.errors import (
    AgentError,
    CircuitOpen,
    ConfigError,
    EmonkError,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.resilience.classify import SHED, status_of

_NOT_SENT = frozenset({SHED, "unreachable"})
_AMBIGUOUS = frozenset({408, 409, 425})
"""A request that timed out, one in conflict with what may be its own first attempt, one that came too early."""


def did_not_act(error: BaseException) -> bool:
    """Whether the error says that nothing was done: a refusal, or a request that was never sent.

    A script that failed may have done its work before; one that refuses says so by its exit code.
    """
    match error:
        case OutcomeUnknown():
            return False
        case AgentError():
            return error.code != "script_failed"
        case ConfigError() | RateLimited() | QuotaExhausted() | CircuitOpen():
            return True
        case Unavailable():
            return error.code in _NOT_SENT
        case EmonkError():
            return False
        case Exception():
            return _refused(error)
        case _:
            return False


def _refused(error: Exception) -> bool:
    """The other side refused the request, or there was no connection to send it on."""
    status = status_of(error)
    if status is not None:
        return 400 <= status < 500 and status not in _AMBIGUOUS
    return any(isinstance(one, ConnectionRefusedError | gaierror) for one in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, as clients wrap the errors of sockets."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__
