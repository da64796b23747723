"""A connection that is not kept for a client who never asks."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0
"""For the head of a request to arrive; for its body see `emonk.gateway.limits`."""


class Connection(H11Protocol):
    """Closes itself when it has had no request at hand for `head_seconds`, whatever trickles in meanwhile.

    Uvicorn itself limits only the time between an answer and the first byte of the next request.
    """

    head_seconds = HEAD_SECONDS
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  as Uvicorn's own
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._rest()

    def _watch(self) -> None:
        # The attribute is None until the first request, which Uvicorn's annotation leaves out.
        cycle = getattr(self, "cycle", None)
        if self.transport.is_closing() or (cycle is not None and not cycle.response_complete):
            self._rest()
        elif self._alarm is None:
            self._alarm = self.loop.call_later(self.head_seconds, self.transport.close)

    def _rest(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
