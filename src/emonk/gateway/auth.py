"""Who may come in: the right host name, the right origin, the right token."""

import hashlib
import hmac
import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emonk.gateway.page import sign_in_page
from emonk.gateway.problems import problem_response

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(?::\d*)?")
UNGUARDED = ("/static/", "/health", "/sign-in")


class Token:
    """The secret that opens the door, and the cookie that stands for it in a browser.

    The cookie's value is derived from the token, so that a leaked cookie does not give the token away. Its name is
    derived as well: browsers share cookies between the ports of one host, and two servers must not sign each other out.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._derived = hmac.new(self._secret, b"emonk cookie", hashlib.sha256).hexdigest()
        self.cookie_name = f"emonk_{self._derived[:8]}"

    def opens(self, offered: str) -> bool:
        """Whether this is the token, in constant time."""
        return hmac.compare_digest(offered.encode(), self._secret)

    def in_header(self, headers: Headers) -> bool:
        """Whether the request carries it as a bearer."""
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.opens(offered.strip())

    def in_cookie(self, connection: HTTPConnection) -> bool:
        """Whether the request carries the cookie that stands for it."""
        offered = connection.cookies.get(self.cookie_name, "")
        return hmac.compare_digest(offered.encode(), self._derived[8:].encode())

    def sign_in(self, request: Request) -> Response:
        """Send the browser to the page, with the cookie."""
        response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        secure = request.url.scheme == "https"
        response.set_cookie(self.cookie_name, self._derived[8:], httponly=True, samesite="strict", secure=secure)
        return response


class Door:
    """Middleware that lets a request in or answers it: 421, 403, 401, or the sign-in page."""

    def __init__(self, app: ASGIApp, *, token: Token, allowed_hosts: Collection[str] = ()) -> None:
        self._app = app
        self._token = token
        self._hosts = LOOPBACK_HOSTS | {name.lower().strip("[]") for name in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if host_name(host) not in self._hosts:
            hint = "open it as localhost or 127.0.0.1, or name the host in EMONK_ALLOWED_HOSTS"
            return problem_response(421, "unknown_host", f"this server is not known as {host!r}", hint)
        origin = request.headers.get("origin")
        if request.method not in SAFE_METHODS and origin is not None and not same_origin(origin, host):
            return problem_response(403, "foreign_origin", "the request comes from another site")
        if request.url.path.startswith(UNGUARDED):
            return None
        return self._unidentified(request, origin)

    def _unidentified(self, request: Request, origin: str | None) -> Response | None:
        if self._token.in_header(request.headers):
            return None
        if request.url.path == "/" and "token" in request.query_params:
            if self._token.opens(request.query_params["token"]):
                return self._token.sign_in(request)
            return sign_in_page("That is not this server's token.")
        if not self._token.in_cookie(request):
            return _unauthorized(request)
        if request.method not in SAFE_METHODS and origin is None:
            hint = "a browser sends it; other clients send Authorization: Bearer"
            return problem_response(403, "missing_origin", "a signed-in request must carry its Origin", hint)
        return None


def host_name(authority: str) -> str:
    """The name in a Host header, lower case, without port and brackets; empty when it is not one."""
    match = _AUTHORITY.fullmatch(authority)
    return match[1].lower().strip("[]") if match else ""


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the host that the request went to."""
    scheme, _, authority = origin.partition("://")
    return scheme in {"http", "https"} and authority.lower() == host.lower()


def _unauthorized(request: Request) -> Response:
    if not request.url.path.startswith("/api/"):
        return sign_in_page()
    hint = "send Authorization: Bearer with the token that emonk serve printed, or set EMONK_TOKEN"
    headers = {"WWW-Authenticate": 'Bearer realm="emonk"'}
    if "authorization" in request.headers:
        return problem_response(401, "wrong_token", "the token is not this server's", hint, headers=headers)
    return problem_response(401, "missing_token", "a token is needed", hint, headers=headers)
