"""A local stand-in for the Gemini API that speaks real HTTP on loopback.

`python -m emonk.testing.gemini --help` tells how to run one in its own process, to try an outage by hand.
"""

import asyncio
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from aiohttp import web

from emonk.models.fields import as_object
from emonk.testing.gemini_answers import Answer, Chunks, Drop, Json, Plain, Raw, SeenRequest, fails
from emonk.testing.gemini_rules import Refused, check

_MAX_BODY = 64 << 20
_VERTEX = re.compile(r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/publishers/google/models/[^/]+")


class GeminiServer:
    """Answers `generateContent` and `streamGenerateContent` from a script, in the paths of both APIs.

    Requests without a key, or against Google's documented rules, get Google's 400 or 403 and use up no answer.

    Attributes:
        base_url: where it listens, once entered.
        requests: the requests that were answered, in order.
        refused: the messages of those that broke a rule.
    """

    def __init__(
        self,
        script: Iterable[Answer] | Callable[[SeenRequest], Any],
        *,
        api_key: str | None = None,
        port: int = 0,
        takes: Callable[[str], bool] | None = None,
    ) -> None:
        """Answer from a list, or always by one function of the request.

        Args:
            script: the answers; when a list is used up, every further request gets a 500 that says so.
            api_key: the only key that is accepted; any key when None.
            port: where to listen on 127.0.0.1; 0 takes a free one.
            takes: whether a bearer token is valid, on the paths of Vertex AI; any is when None.
        """
        self._takes = takes
        self._always = script if callable(script) else None
        self._script: list[Answer] = [] if callable(script) else list(script)
        self._api_key = api_key
        self._port = port
        self.base_url = ""
        self.requests: list[SeenRequest] = []
        self.refused: list[str] = []
        self._arrived = asyncio.Event()

    async def wait_for_requests(self, count: int = 1) -> None:
        """Wait until `count` requests have come, whether they are answered yet or not."""
        while len(self.requests) < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def __aenter__(self) -> "GeminiServer":
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
        refusal = self._refusal(request, raw)
        if refusal is not None:
            self.refused.append(refusal.body.decode())
            return await _send(request, refusal)
        seen = SeenRequest(request.path, dict(request.headers), as_object(msgspec.json.decode(raw)))
        self.requests.append(seen)
        self._arrived.set()
        return await _send(request, await self._answer(seen, len(self.requests)))

    def _refusal(self, request: web.Request, raw: bytes) -> Raw | None:
        if request.method != "POST" or request.path.rpartition(":")[2] not in {
            "generateContent",
            "streamGenerateContent",
        }:
            return fails(404, f"{request.method} {request.path} is not found.")
        if (refusal := self._key_refusal(request)) is not None:
            return refusal
        try:
            body = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return fails(400, "Invalid JSON payload received.")
        try:
            check(as_object(body), request.path.rpartition("/")[2].partition(":")[0])
        except Refused as refusal:
            return fails(400, str(refusal))
        return None

    def _key_refusal(self, request: web.Request) -> Raw | None:
        if _VERTEX.fullmatch(request.path.rpartition(":")[0]):
            return self._token_refusal(request.headers.get("Authorization", ""))
        key = request.headers.get("x-goog-api-key") or request.query.get("key")
        if not key and not request.headers.get("Authorization", "").startswith("Bearer "):
            return fails(403, "Method doesn't allow unregistered callers. Please use API Key to call this API.")
        if self._api_key is not None and key != self._api_key:
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            return fails(400, "API key not valid. Please pass a valid API key.", details=[reason])
        return None

    def _token_refusal(self, authorization: str) -> Raw | None:
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer" or not token:
            return fails(401, "Request is missing required authentication credential.")
        if self._takes is not None and not self._takes(token):
            return fails(401, "Request had invalid authentication credentials.")
        return None

    async def _answer(self, seen: SeenRequest, number: int) -> Plain:
        if self._always is None and number > len(self._script):
            return fails(500, f"the script has {len(self._script)} answers; request {number} asked for more")
        answer: Any = self._always or self._script[number - 1]
        if callable(answer):
            answer = answer(seen)
            if inspect.isawaitable(answer):
                answer = await answer
        return answer


def held(answer: Plain, until: asyncio.Event) -> Answer:
    """An answer that is not given before `until` is set."""

    async def wait(_: SeenRequest) -> Plain:
        await until.wait()
        return answer

    return wait


async def _send(request: web.Request, answer: Plain) -> web.StreamResponse:
    match answer:
        case Raw():
            return web.Response(
                body=answer.body, status=answer.status, content_type=answer.content_type, headers=answer.headers
            )
        case Chunks(pieces, drop):
            return await _stream(request, pieces, drop=drop)
        case Drop(sent):
            return _drop(request, sent)
        case _:
            return await _send_body(request, answer)


async def _send_body(request: web.Request, body: Json) -> web.StreamResponse:
    encoded = msgspec.json.encode(body)
    if not request.path.endswith(":streamGenerateContent"):
        return web.Response(body=encoded, content_type="application/json")
    if request.query.get("alt") != "sse":
        return web.Response(body=b"[" + encoded + b"]", content_type="application/json")
    return await _stream(request, [b"data: " + encoded + b"\r\n\r\n"], drop=False)


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


def _drop(request: web.Request, sent: bytes) -> web.StreamResponse:
    if sent and request.transport is not None:
        request.transport.write(sent)
    _close(request)
    return web.Response()


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


if __name__ == "__main__":
    from emonk.testing.gemini_process import main

    main()
