"""A local stand-in for the Gemini API that speaks real HTTP on loopback.

`python -m emonk.testing.gemini --help` tells how to run one in its own process, to try an outage by hand.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from aiohttp import web

from emonk.testing import gemini_answers
from emonk.testing.answers import Answer, Json, Raw, SeenRequest
from emonk.testing.gemini_rules import Refused, check
from emonk.testing.stand_in import StandIn, held

__all__ = ["GeminiServer", "held"]

_VERTEX = re.compile(r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/publishers/google/models/[^/]+")


class GeminiServer(StandIn):
    """Answers `generateContent` and `streamGenerateContent` from a script, in the paths of both APIs.

    Requests without a key, or against Google's documented rules, get Google's 400 or 403.
    """

    no_json = "Invalid JSON payload received."

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
        super().__init__(script, port=port)
        self._api_key = api_key
        self._takes = takes

    def turns_away(self, request: web.Request) -> Raw | None:
        path, _, method = request.path.rpartition(":")
        if request.method != "POST" or method not in {"generateContent", "streamGenerateContent"}:
            return self.fails(404, f"{request.method} {request.path} is not found.")
        if _VERTEX.fullmatch(path):
            return self._token_refusal(request.headers.get("Authorization", ""))
        key = request.headers.get("x-goog-api-key") or request.query.get("key")
        if not key and not request.headers.get("Authorization", "").startswith("Bearer "):
            return self.fails(403, "Method doesn't allow unregistered callers. Please use API Key to call this API.")
        if self._api_key is not None and key != self._api_key:
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            said = "API key not valid. Please pass a valid API key."
            return gemini_answers.fails(400, said, details=[reason])
        return None

    def _token_refusal(self, authorization: str) -> Raw | None:
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer" or not token:
            return self.fails(401, "Request is missing required authentication credential.")
        if self._takes is not None and not self._takes(token):
            return self.fails(401, "Request had invalid authentication credentials.")
        return None

    def objects_to(self, request: web.Request, body: Json) -> Raw | None:
        try:
            check(body, _model(request.path))
        except Refused as refused:
            return self.fails(400, str(refused))
        return None

    def fails(self, status: int, message: str) -> Raw:
        return gemini_answers.fails(status, message)

    def says(self, seen: SeenRequest, text: str) -> Json:  # noqa: ARG002 - of one API only
        return gemini_answers.says(text)

    def seen(self, request: web.Request, body: Json) -> SeenRequest:
        streaming = request.path.endswith(":streamGenerateContent")
        return SeenRequest(request.path, dict(request.headers), body, _model(request.path), streaming)

    def events_of(self, seen: SeenRequest, body: Json) -> Iterable[bytes]:  # noqa: ARG002 - as above
        return [gemini_answers.event_bytes(body)]

    async def send_body(self, request: web.Request, seen: SeenRequest, body: Json) -> web.StreamResponse:
        if seen.streaming and request.query.get("alt") != "sse":
            return web.Response(body=msgspec.json.encode([body]), content_type="application/json")
        return await super().send_body(request, seen, body)


def _model(path: str) -> str:
    return path.rpartition("/")[2].partition(":")[0]


if __name__ == "__main__":
    from emonk.testing.gemini_process import main

    main()
