"""The Gemini stand-in in its own process: for benchmarks, with two prebuilt answers and nothing checked, or failing."""

import asyncio
from collections.abc import Sequence

import msgspec

from emonk.testing.answers import Json
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import body, calls, event_bytes, says
from emonk.testing.outage import announce, run

_HEADERS_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


def _response(answer: Json, *, streaming: bool) -> bytes:
    encoded = event_bytes(answer) if streaming else msgspec.json.encode(answer)
    kind = b"text/event-stream" if streaming else b"application/json; charset=UTF-8"
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(encoded), encoded)


CALL = body(calls("get_weather", {"city": "Paris"}))
TEXT = says("It is sunny in Paris, 22 degrees.")
ANSWERS = {
    (called, streaming): _response(TEXT if called else CALL, streaming=streaming)
    for called in (False, True)
    for streaming in (False, True)
}
"""By whether the request holds a function's response, and whether it asks for a stream."""


class Script(asyncio.Protocol):
    """First a call of `get_weather`; text once the request holds a function's response."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a TCP server is given
        self._transport = transport
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (answer := self._next()) is not None:
            self._transport.write(answer)

    def _next(self) -> bytes | None:
        """The answer to the first whole request in the buffer."""
        head_end = self._buffer.find(_HEADERS_END)
        if head_end < 0:
            return None
        head = bytes(self._buffer[:head_end]).lower()
        _, found, rest = head.partition(_LENGTH)
        length = int(rest.partition(b"\r\n")[0]) if found else 0
        end = head_end + len(_HEADERS_END) + length
        if len(self._buffer) < end:
            return None
        called = self._buffer.find(b'"functionResponse"', head_end, end) >= 0
        del self._buffer[:end]
        return ANSWERS[called, b":streamgeneratecontent" in head.partition(b"\r\n")[0]]


async def serve(port: int) -> None:
    """Listen until cancelled; the first line on standard output is `{"url": ...}`."""
    server = await asyncio.get_running_loop().create_server(Script, "127.0.0.1", port)
    announce(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        await server.serve_forever()


ABOUT = """\
A stand-in for the Gemini API on 127.0.0.1, to try things by hand: set EMONK_GEMINI_BASE_URL to the url that it prints
and GEMINI_API_KEY to anything. With --port alone it plays two steps for benchmarks: a call of get_weather, then a text.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stand-in."""
    run("gemini", ABOUT, GeminiServer, arguments, alone=serve)
