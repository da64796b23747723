"""Local stand-ins for the incoming webhooks of Google Chat and Slack, over real HTTP on loopback.

They hold requests to what the services document and answer (see `emonk.observe.webhooks` for the pages), with the
refusals of Slack's changelog of 2016-05-17 and those that Google's API is known to send.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from emonk.clock import Clock
from emonk.testing.loopback import everything, listen

GOOGLE_CHARACTERS, GOOGLE_BYTES = 4096, 32_000
SLACK_CHARACTERS = 40_000

_MENTIONS = {
    "slack": re.compile(r"<[!@#][^>]*>"),
    "google_chat": re.compile(r"<users/[^>]*>"),
}


class Refusal(msgspec.Struct, frozen=True):
    """An answer that takes nothing."""

    status: int
    said: str = ""
    headers: Mapping[str, str] = {}


class WebhookServer:
    """One webhook of a service.

    Attributes:
        url: where to post, with its secrets, once entered.
        texts: the texts that were taken, as the service would keep them.
        refused: what was answered to every request that was not taken.
        mentions: the commands in those texts that would have called people.
        requests: how many requests came.
    """

    def __init__(self, kind: str, *, refusals: Iterable[Refusal] = (), clock: Clock | None = None) -> None:
        """Stand in for `google_chat` or `slack`.

        Args:
            kind: of the service.
            refusals: what the first requests get, in order, whatever they hold.
            clock: what a second is; with it a second message within one gets a 429.
        """
        self._kind = kind
        self._refusals = list(refusals)
        self._clock = clock
        self._last: float | None = None
        self._key, self._token = f"AIza{secrets.token_hex(8)}", secrets.token_hex(12)
        self.url = ""
        self.texts: list[str] = []
        self.refused: list[Refusal] = []
        self.mentions: list[str] = []
        self.requests = 0

    @property
    def secrets(self) -> tuple[str, ...]:
        """What of the URL nobody should see."""
        return (self._token, self._key) if self._kind == "google_chat" else (self._token,)

    async def __aenter__(self) -> "WebhookServer":
        self._runner, base = await listen(everything(self._handle))
        if self._kind == "slack":
            self.url = f"{base}/services/T0000/B0000/{self._token}"
        else:
            self.url = f"{base}/v1/spaces/AAAA/messages?key={self._key}&token={self._token}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests += 1
        raw = await request.read()
        refusal = self._refusals.pop(0) if self._refusals else self._check(request, raw)
        if refusal is not None:
            self.refused.append(refusal)
            return web.Response(status=refusal.status, text=refusal.said, headers=refusal.headers)
        text = msgspec.json.decode(raw)["text"]
        self.texts.append(text[:SLACK_CHARACTERS])
        self.mentions += _MENTIONS[self._kind].findall(text)
        if self._kind == "slack":
            return web.Response(text="ok")
        return web.json_response({"name": "spaces/AAAA/messages/B.B", "text": text, "thread": {"name": "spaces/AAAA"}})

    def _check(self, request: web.Request, raw: bytes) -> Refusal | None:
        check = self._check_slack if self._kind == "slack" else self._check_google
        refusal = check(request, raw)
        if refusal is None and self._clock is not None:
            now = self._clock.monotonic()
            if self._last is not None and now - self._last < 1.0:
                return Refusal(429, "rate_limited", {"Retry-After": "1"})
            self._last = now
        return refusal

    def _check_slack(self, request: web.Request, raw: bytes) -> Refusal | None:
        _, place, _, _, token = (*request.path.split("/"), "", "", "", "")[:5]
        if request.method != "POST" or place != "services":
            return Refusal(404, "no_service")
        if token != self._token:
            return Refusal(403, "invalid_token")
        body = _json(request, raw)
        if body is None:
            return Refusal(400, "invalid_payload")
        if not (isinstance(body.get("text"), str) and body["text"].strip()):
            return Refusal(400, "no_text")
        return None

    def _check_google(self, request: web.Request, raw: bytes) -> Refusal | None:
        if request.method != "POST" or not re.fullmatch(r"/v1/spaces/[^/]+/messages", request.path):
            return _rpc(404, "Requested entity was not found.")
        if request.query.get("key") != self._key:
            return _rpc(400, "API key not valid. Please pass a valid API key.")
        if request.query.get("token") != self._token:
            return _rpc(403, "The API is called without a valid token.")
        body = _json(request, raw)
        if body is None or body.keys() - {"text", "cards", "cardsV2", "thread"}:
            return _rpc(400, "Invalid JSON payload received.")
        text = body.get("text")
        if not (isinstance(text, str) and text.strip()):
            return _rpc(400, "Message cannot be empty. Discarding empty create message request.")
        # However it counts them: as Java does, in UTF-16.
        if len(text.encode("utf-16-le")) // 2 > GOOGLE_CHARACTERS or len(raw) > GOOGLE_BYTES:
            return _rpc(400, f"Message is longer than {GOOGLE_CHARACTERS} characters")
        return None


def _json(request: web.Request, raw: bytes) -> dict[str, Any] | None:
    if request.content_type != "application/json":
        return None
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _rpc(status: int, message: str) -> Refusal:
    body = {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}
    return Refusal(status, msgspec.json.encode(body).decode(), {"Content-Type": "application/json"})
