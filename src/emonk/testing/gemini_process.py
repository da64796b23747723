"""The Gemini stand-in in its own process: for benchmarks, with two prebuilt answers and nothing checked, or failing."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from emonk.testing.gemini_answers import Json, body, calls, says

_HEADERS_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


def _response(answer: Json, *, streaming: bool) -> bytes:
    encoded = msgspec.json.encode(answer)
    if streaming:
        encoded = b"data: " + encoded + b"\r\n\r\n"
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
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    sys.stdout.write(msgspec.json.encode({"url": url}).decode() + "\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


ABOUT = """\
A stand-in for the Gemini API on 127.0.0.1, to try things by hand: set EMONK_GEMINI_BASE_URL to the url that it prints
and GEMINI_API_KEY to anything. With --port alone it plays two steps for benchmarks: a call of get_weather, then a text.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stand-in."""
    parser = _parser()
    given = parser.parse_args(arguments)
    port = given.port
    told = {name: value for name, value in vars(given).items() if name != "port" and value is not None}
    if "status" not in told and {"failures", "retry_after"} & told.keys():
        parser.error("--failures and --retry-after belong to --status")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_failing(told, port) if told else serve(port))
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on port {port}: {getattr(error, 'strerror', None) or error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emonk.testing.gemini", description=ABOUT)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--status", type=_status, help="the HTTP status with which requests fail, such as 503 or 429")
    parser.add_argument("--failures", type=_number(int), help="only the first so many requests fail")
    parser.add_argument("--retry-after", type=_number(float), help="seconds that a failure asks to wait")
    parser.add_argument("--delay", type=_number(float), help="seconds before every answer")
    parser.add_argument("--text", help="what requests that do not fail are answered")
    return parser


def _status(text: str) -> int:
    if not (text.isdecimal() and 400 <= int(text) <= 599):
        raise argparse.ArgumentTypeError(f"{text} is no status of a failure; 400 to 599 are")
    return int(text)


def _number(kind: type[int | float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = -1
        if not 0 <= value <= 1e9:
            raise argparse.ArgumentTypeError(f"{text} is no number from 0 on")
        return value

    return read


def _failing(told: dict[str, Any], port: int) -> Coroutine[Any, Any, None]:
    from emonk.testing import gemini_outage  # noqa: PLC0415 - benchmarks start without it

    return gemini_outage.serve(gemini_outage.Outage(**told), port)
