"""A local stand-in for OpenAI's chat completions and responses API that speaks real HTTP on loopback.

`python -m emonk.testing.openai --help` tells how to run one in its own process, to try an outage by hand.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from aiohttp import web

from emonk.models.fields import as_object
from emonk.testing.gemini_answers import Chunks, Drop, Json, Raw
from emonk.testing.openai_answers import Answer, Plain, SeenRequest, fails
from emonk.testing.openai_responses_rules import check as check_response
from emonk.testing.openai_rules import check as check_completion
from emonk.testing.openai_schemas import Refused
from emonk.testing.openai_streams import completion_events, response_events

_MAX_BODY = 64 << 20


class OpenAIServer:
    """Answers `/chat/completions` and `/responses` from a script.

    Requests with another key, or against OpenAI's documented rules, get its 401 or 400 and use up no answer.

    Attributes:
        base_url: where it listens, once entered, as `OPENAI_BASE_URL` takes it.
        requests: the requests that were answered, in order.
        refused: the messages of those that broke a rule.
    """

    def __init__(
        self, script: Iterable[Answer] | Callable[[SeenRequest], Any], *, api_key: str | None = None, port: int = 0
    ) -> None:
        """Answer from a list, or always by one function of the request.

        Args:
            script: the answers; when a list is used up, every further request gets a 500 that says so.
            api_key: the only key that is accepted; any, and none, when None.
            port: where to listen on 127.0.0.1; 0 takes a free one.
        """
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

    async def __aenter__(self) -> "OpenAIServer":
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        refusal = self._refusal(request, raw)
        if refusal is not None:
            self.refused.append(refusal.body.decode())
            return await _send(request, refusal, Json())
        seen = SeenRequest(request.path, dict(request.headers), as_object(msgspec.json.decode(raw)))
        self.requests.append(seen)
        self._arrived.set()
        return await _send(request, await self._answer(seen, len(self.requests)), seen.body)

    def _refusal(self, request: web.Request, raw: bytes) -> Raw | None:
        if request.method != "POST" or not request.path.endswith(("/chat/completions", "/responses")):
            return fails(404, f"Invalid URL ({request.method} {request.path})")
        if (refusal := self._key_refusal(request)) is not None:
            return refusal
        try:
            body = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return fails(400, "We could not parse the JSON body of your request.")
        try:
            (check_response if request.path.endswith("/responses") else check_completion)(as_object(body))
        except Refused as refused:
            return fails(400, str(refused), param=refused.param, code=refused.code)
        return None

    def _key_refusal(self, request: web.Request) -> Raw | None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._api_key is None or given == self._api_key:
            return None
        if not given:
            return fails(401, "You didn't provide an API key. You need to provide it in an Authorization header.")
        said = f"Incorrect API key provided: {given}. You can find your API key at https://platform.openai.com."
        return fails(401, said, code="invalid_api_key")

    async def _answer(self, seen: SeenRequest, number: int) -> Plain:
        if self._always is None and number > len(self._script):
            return fails(500, f"the script has {len(self._script)} answers; request {number} asked for more")
        answer: Any = self._always or self._script[number - 1]
        if callable(answer):
            answer = answer(seen)
            if inspect.isawaitable(answer):
                answer = await answer
        return answer


async def _send(request: web.Request, answer: Plain, asked: Json) -> web.StreamResponse:
    match answer:
        case Raw():
            return web.Response(
                body=answer.body, status=answer.status, content_type=answer.content_type, headers=answer.headers
            )
        case Chunks(pieces, drop):
            return await _stream(request, pieces, drop=drop)
        case Drop(sent):
            if sent and request.transport is not None:
                request.transport.write(sent)
            _close(request)
            return web.Response()
        case _ if asked.get("stream") is not True:
            return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
        case _ if request.path.endswith("/responses"):
            return await _stream(request, response_events(answer), drop=False)
        case _:
            usage = as_object(asked.get("stream_options")).get("include_usage") is True
            return await _stream(request, completion_events(answer, usage=usage), drop=False)


async def _stream(request: web.Request, pieces: Iterable[bytes], *, drop: bool) -> web.StreamResponse:
    streamed = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await streamed.prepare(request)
    for piece in pieces:
        await streamed.write(piece)
    if drop:
        _close(request)
    else:
        await streamed.write_eof()
    return streamed


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


if __name__ == "__main__":
    from emonk.testing.openai_process import main

    main()
