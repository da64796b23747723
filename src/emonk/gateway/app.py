"""Puts the gateway together."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emonk.agent import Agent
from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import EmonkError
from emonk.extend import Page
from emonk.gateway import chat_api, problems, sessions_api
from emonk.gateway.auth import Door, Token
from emonk.gateway.desk import Desk
from emonk.gateway.health import health
from emonk.gateway.limits import read_body
from emonk.gateway.page import page_routes, sign_in_page
from emonk.gateway.running import RunningTurns

SESSION = "/api/sessions/{session_id:path}"


def create_app(
    agents: Mapping[str, Agent],
    *,
    token: str,
    pages: Sequence[Page] = (),
    allowed_hosts: Collection[str] = (),
    clock: Clock = SYSTEM_CLOCK,
) -> Starlette:
    """The web face of agents that are started, and stay started, by the caller.

    Args:
        agents: who is served, by name.
        token: the secret that callers of `/api` and the browser must know.
        pages: pages that agents declare, shown beside the chat.
        allowed_hosts: host names, without port, that this server answers to besides localhost.
        clock: what heartbeats are measured on.
    """
    key = Token(token)
    app = Starlette(
        routes=[*_routes(key), *page_routes(pages)],
        middleware=[
            Middleware(NoSniffing),
            Middleware(problems.LastResort),
            Middleware(Door, token=key, allowed_hosts=allowed_hosts),
        ],
        exception_handlers={
            problems.ProblemError: problems.on_problem,
            EmonkError: problems.on_emonk_error,
            HTTPException: problems.on_http_error,
        },
    )
    app.state.desk = Desk(agents, RunningTurns(), clock)
    return app


async def close_turns(app: Starlette, grace: float) -> None:
    """Let running turns finish within `grace` seconds, and end the streams of those that do not."""
    desk: Desk = app.state.desk
    await desk.running.close(grace)


class NoSniffing:
    """Middleware: browsers take every answer for what its type says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        await self._app(scope, receive, marked)


def _routes(token: Token) -> list[Route]:
    return [
        Route("/health", health),
        Route("/sign-in", _sign_in(token), methods=["POST"]),
        Route("/api/chat", chat_api.chat, methods=["POST"]),
        Route("/api/agents", sessions_api.agents),
        Route("/api/sessions", sessions_api.sessions),
        Route("/api/sessions", sessions_api.create, methods=["POST"]),
        Route(f"{SESSION}/cancel", sessions_api.cancel, methods=["POST"]),
        Route(SESSION, sessions_api.session),
        Route(SESSION, sessions_api.change, methods=["PATCH"]),
        Route(SESSION, sessions_api.delete, methods=["DELETE"]),
    ]


def _sign_in(token: Token) -> Callable[[Request], Awaitable[Response]]:
    async def sign_in(request: Request) -> Response:
        form = parse_qs((await read_body(request, 4096)).decode("utf-8", "replace"))
        if token.opens(form.get("token", [""])[0].strip()):
            return token.sign_in(request)
        return sign_in_page("That is not this server's token.")

    return sign_in
