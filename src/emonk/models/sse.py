"""Server-sent events, read from chunks that may end anywhere.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re

import msgspec

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerSentEvent(msgspec.Struct, frozen=True):
    """One event: its data lines joined by line feeds, as UTF-8 bytes, and its type if it names one."""

    data: bytes
    event: str = ""


class EventParser:
    """Turns the bytes of an event stream into events, however the stream is cut.

    Lines may end in CR LF, LF or CR. Comments, `id` and `retry` are ignored; an event that the stream's end
    cuts off is dropped, as the specification says.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._scanned = 0
        self._line_feed_may_follow = False
        self._started = False
        self._data: list[bytes] = []
        self._event = b""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that `chunk` completes."""
        if not chunk:
            return []
        if self._line_feed_may_follow:
            chunk = chunk.removeprefix(b"\n")
        self._rest += chunk
        events: list[ServerSentEvent] = []
        begin = 0
        for end in _LINE_END.finditer(self._rest, self._scanned):
            self._line(bytes(self._rest[begin : end.start()]), events)
            begin = end.end()
        self._line_feed_may_follow = begin > 0 and begin == len(self._rest) and self._rest.endswith(b"\r")
        del self._rest[:begin]
        self._scanned = len(self._rest)
        return events

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            self._dispatch(events)
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        elif field == b"event":
            self._event = value.removeprefix(b" ")

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            events.append(ServerSentEvent(b"\n".join(self._data), self._event.decode("utf-8", "replace")))
        self._data, self._event = [], b""
