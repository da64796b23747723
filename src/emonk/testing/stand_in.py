"""What local stand-ins for model providers have in common: they listen on loopback and answer from a script."""

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

import msgspec
from aiohttp import web

from emonk.models.fields import as_object
from emonk.testing.answers import Answer, Chunks, Drop, Json, Plain, Raw, SeenRequest
from emonk.testing.loopback import everything, listen

_MAX_BODY = 64 << 20


class StandIn(ABC):
    """A server whose answers are told beforehand. A request that breaks a rule is refused and uses up no answer.

    Attributes:
        base_url: where it listens, once entered, as the provider's own clients take it.
        requests: the requests that were answered, in order.
        refused: the bodies of the refusals.
    """

    root: ClassVar[str] = ""
    """What stands between the host and the paths of the API in a base URL."""

    no_json: ClassVar[str]
    """What the provider says of a body that is no JSON."""

    def __init__(self, script: Iterable[Answer] | Callable[[SeenRequest], Any], *, port: int = 0) -> None:
        """Answer from a list, or always by one function of the request.

        Args:
            script: the answers; when a list is used up, every further request gets a 500 that says so.
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
    def turns_away(self, request: web.Request) -> Raw | None:
        """What a request of another path or with another key is answered."""

    @abstractmethod
    def objects_to(self, request: web.Request, body: Json) -> Raw | None:
        """What a request whose body breaks a rule is answered."""

    @abstractmethod
    def fails(self, status: int, message: str) -> Raw:
        """An error in the provider's form."""

    @abstractmethod
    def says(self, seen: SeenRequest, text: str) -> Json:
        """A body of the API that is asked which holds that text."""

    @abstractmethod
    def events_of(self, seen: SeenRequest, body: Json) -> Iterable[bytes]:
        """A body as the events of the stream that was asked for."""

    def seen(self, request: web.Request, body: Json) -> SeenRequest:
        """A request that breaks no rule, with what it asks for."""
        model, streaming = str(body.get("model", "")), body.get("stream") is True
        return SeenRequest(request.path, dict(request.headers), body, model, streaming)

    async def send_body(self, request: web.Request, seen: SeenRequest, body: Json) -> web.StreamResponse:
        """Answer a body whole, or as a stream if that was asked for."""
        if seen.streaming:
            return await _stream(request, self.events_of(seen, body), drop=False)
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def wait_for_requests(self, count: int = 1) -> None:
        """Wait until `count` requests have come, whether they are answered yet or not."""
        while len(self.requests) < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def __aenter__(self) -> Self:
        self._runner, url = await listen(everything(self._handle), port=self._port, max_body=_MAX_BODY)
        self.base_url = f"{url}{self.root}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = _object_in(await request.read())
        if (refusal := self._refusal(request, body)) is not None:
            self.refused.append(refusal.body.decode())
            return _raw(refusal)
        seen = self.seen(request, body or {})
        self.requests.append(seen)
        self._arrived.set()
        return await self._send(request, seen, await self._answer(seen, len(self.requests)))

    def _refusal(self, request: web.Request, body: Json | None) -> Raw | None:
        if (refusal := self.turns_away(request)) is not None:
            return refusal
        return self.fails(400, self.no_json) if body is None else self.objects_to(request, body)

    async def _answer(self, seen: SeenRequest, number: int) -> Plain:
        if self._always is None and number > len(self._script):
            return self.fails(500, f"the script has {len(self._script)} answers; request {number} asked for more")
        answer: Any = self._always or self._script[number - 1]
        if callable(answer):
            answer = answer(seen)
            if inspect.isawaitable(answer):
                answer = await answer
        return answer

    async def _send(self, request: web.Request, seen: SeenRequest, answer: Plain) -> web.StreamResponse:
        match answer:
            case Raw():
                return _raw(answer)
            case Chunks(pieces, drop):
                return await _stream(request, pieces, drop=drop)
            case Drop(sent):
                if sent and request.transport is not None:
                    request.transport.write(sent)
                _close(request)
                return web.Response()
            case _:
                return await self.send_body(request, seen, answer)


def held(answer: Plain, until: asyncio.Event) -> Answer:
    """An answer that is not given before `until` is set."""

    async def wait(_: SeenRequest) -> Plain:
        await until.wait()
        return answer

    return wait


def _object_in(raw: bytes) -> Json | None:
    try:
        return as_object(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _raw(answer: Raw) -> web.Response:
    kind, headers = answer.content_type, answer.headers
    return web.Response(body=answer.body, status=answer.status, content_type=kind, headers=headers)


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
