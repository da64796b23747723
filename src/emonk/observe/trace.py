"""The trace id that ties together everything done for one message.

It lives in a context variable: tasks inherit it, and leaving a context restores the one outside.
"""

from contextvars import ContextVar, Token

from emonk.ids import trace_id as new_trace_id

_current: ContextVar[str | None] = ContextVar("emonk_trace_id", default=None)


class trace_context:  # noqa: N801 - it is used as a function is
    """Work under a trace id: the given one, else a new one (32 hex digits, W3C Trace Context).

    Entering gives the id. It can be entered once.
    """

    __slots__ = ("_token", "_trace_id")
    _token: Token[str | None]

    def __init__(self, trace_id: str | None = None) -> None:
        self._trace_id = trace_id or new_trace_id()

    def __enter__(self) -> str:
        self._token = _current.set(self._trace_id)
        return self._trace_id

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def get_trace_id() -> str | None:
    """The trace id of the work at hand, or None outside of any."""
    return _current.get()
