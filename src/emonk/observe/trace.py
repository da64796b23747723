"""The trace id that ties together everything done for one message.

It lives in a context variable: tasks inherit it, and leaving a context restores the one outside.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from emonk.ids import trace_id as new_trace_id

_current: ContextVar[str | None] = ContextVar("emonk_trace_id", default=None)


@contextmanager
def trace_context(trace_id: str | None = None) -> Generator[str]:
    """Work under a trace id: the given one, else a new one (32 hex digits, W3C Trace Context)."""
    token = _current.set(trace_id or new_trace_id())
    try:
        yield _current.get() or ""
    finally:
        _current.reset(token)


def get_trace_id() -> str | None:
    """The trace id of the work at hand, or None outside of any."""
    return _current.get()
