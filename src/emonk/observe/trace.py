"""The trace id that ties together everything done for one message.

It lives in a context variable: tasks inherit it, and leaving a context restores the one outside.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar, Token

from emonk.ids import trace_id as new_trace_id

_current: ContextVar[str | None] = ContextVar("emonk_trace_id", default=None)


@contextmanager
def trace_context(trace_id: str | None = None) -> Generator[str]:
    """Work under a trace id: the given one, else a new one (32 hex digits, W3C Trace Context)."""
    token = begin(trace_id or new_trace_id())
    try:
        yield _current.get() or ""
    finally:
        end(token)


def begin(trace_id: str) -> Token[str | None]:
    """What `trace_context` does first, for what runs often; `end` takes what this gives."""
    return _current.set(trace_id)


def end(token: Token[str | None]) -> None:
    """Be in the context again in which `begin` was called."""
    _current.reset(token)


def get_trace_id() -> str | None:
    """The trace id of the work at hand, or None outside of any."""
    return _current.get()
