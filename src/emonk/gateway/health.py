"""`GET /health`: whether this process can take a message."""

from starlette.requests import Request
from starlette.responses import Response

import emonk
from emonk.errors import EmonkError
from emonk.gateway.desk import desk_of
from emonk.gateway.problems import json_response


async def health(request: Request) -> Response:
    """Tell 200 `ok`, or 503 with what does not answer; needs no token and tells no secrets."""
    desk = desk_of(request)
    failing: dict[str, str] = {}
    for agent in desk.agents.values():
        try:
            await agent.store.sessions(agent=agent.name, limit=1)
        except EmonkError as error:
            failing[agent.name] = error.code
    state = {"status": "unavailable" if failing else "ok", "version": emonk.__version__, "agents": sorted(desk.agents)}
    return json_response({**state, "failing": failing}, 503 if failing else 200)
