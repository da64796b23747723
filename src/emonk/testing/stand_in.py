"""What local stand-ins for model providers have in common: they listen on loopback and answer from a script."""

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import msgspec
from aiohttp import web

from emonk.models.fields import as_object
from emonk.testing.gemini_answers import Chunks, Drop, Raw

Json = dict[str, Any]

_MAX_BODY = 64 << 20


class SeenRequest(msgspec.Struct, frozen=True):
    """A request as a stand-in got it."""

    path: str
    headers: Mapping[str, str]
    body: Json

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def streaming(self) -> bool:
        return self.body.get("stream") is True


Plain = Json | Raw | Chunks | Drop
Answer = Plain | Callable[[SeenRequest], Any]
"""A body, another kind of answer, or a function of the request that gives one, at once or after a while."""


class StandIn(ABC):
    """A server whose answers are told beforehand. A request that breaks a rule is refused and uses up no answer.

    Attributes:
        base_url: where it listens, once entered.
        requests: the requests that were answered, in order.
        refused: the bodies of the refusals.
    """

    def __init__(self, script: Iterable[Answer] | Callable[[SeenRequest], Any], *, port: int = 0) -> None:
        """Answer from a list, or always by one function of the request.

        Args:
            script: the answers; when a list is used up, every further request is told so.
            port: where to listen on 127.0.0.1; 0 takes a free one.
        """
        self._always = script if callable(script) else None
        self._script: list[Answer] = [] if callable(script) else list(script)
        self._port = port
        self.base_url = ""
        self.requests: list[SeenRequest] = []
        self.refused: list[str] = []
        self._arrived = asyncio.Event()

    @abstractmethod
    def refusal(self, request: web.Request, raw: bytes) -> Raw | None:
        """What a request that breaks a rule is answered."""

    @abstractmethod
    def fails(self, status: int, message: str) -> Raw:
        """An error in the provider's form."""

    @abstractmethod
    def events_of(self, body: Json) -> Iterable[bytes]:
        """A body as the events of a stream."""

    async def wait_for_requests(self, count: int = 1) -> None:
        """Wait until `count` requests have come, whether they are answered yet or not."""
        while len(self.requests) < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        refusal = self.refusal(request, raw)
        if refusal is not None:
            self.refused.append(refusal.body.decode())
            return await self._send(request, refusal, streaming=False)
        seen = SeenRequest(request.path, dict(request.headers), as_object(msgspec.json.decode(raw)))
        self.requests.append(seen)
        self._arrived.set()
        return await self._send(request, await self._answer(seen, len(self.requests)), streaming=seen.streaming)

    async def _answer(self, seen: SeenRequest, number: int) -> Plain:
        if self._always is None and number > len(self._script):
            return self.fails(500, f"the script has {len(self._script)} answers; request {number} asked for more")
        answer: Any = self._always or self._script[number - 1]
        if callable(answer):
            answer = answer(seen)
            if inspect.isawaitable(answer):
                answer = await answer
        return answer

    async def _send(self, request: web.Request, answer: Plain, *, streaming: bool) -> web.StreamResponse:
        match answer:
            case Raw(body, status, content_type, headers):
                return web.Response(body=body, status=status, content_type=content_type, headers=headers)
            case Chunks(pieces, drop):
                return await _stream(request, pieces, drop=drop)
            case Drop(sent):
                if sent and request.transport is not None:
                    request.transport.write(sent)
                _close(request)
                return web.Response()
            case _ if streaming:
                return await _stream(request, self.events_of(answer), drop=False)
            case _:
                return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


def held(answer: Plain, until: asyncio.Event) -> Answer:
    """An answer that is not given before `until` is set."""

    async def wait(_: SeenRequest) -> Plain:
        await until.wait()
        return answer

    return wait


async def _stream(request: web.Request, pieces: Iterable[bytes], *, drop: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    if drop:
        _close(request)
    else:
        await response.write_eof()
    return response


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
