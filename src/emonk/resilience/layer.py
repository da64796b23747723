"""Only one layer retries: the innermost, which is nearest to what fails.

Layers find each other through a context variable, so that it also holds across the tasks that a call starts. An error
itself carries no mark: the same one may be raised again later, where nobody has retried it yet.
"""

import asyncio
from contextvars import ContextVar, Token
from typing import Self, cast

_current: "ContextVar[RetryLayer | None]" = ContextVar("emonk_retry_layer", default=None)


class RetryLayer:
    """Entered around whatever a layer may try again.

    Attributes:
        inner_gave_up: a layer within has retried, in vain: trying again here would multiply the requests.
    """

    __slots__ = ("_cancellations", "_outer", "_token", "inner_gave_up")

    def __init__(self) -> None:
        self._cancellations = 0
        self.inner_gave_up = False
        self._outer: RetryLayer | None = None
        self._token: Token[RetryLayer | None] | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        self._cancellations = 0 if task is None else task.cancelling()
        self._outer = _current.get()
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(cast("Token[RetryLayer | None]", self._token))

    @property
    def cancelled(self) -> bool:
        """Whether the task was cancelled since, even where what was called made another error of it."""
        return _cancellations() > self._cancellations

    def give_up(self) -> None:
        """Tell the layer around this one, if there is one, that it need not try."""
        if self._outer is not None:
            self._outer.inner_gave_up = True


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0
