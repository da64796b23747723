"""`GET /health`: whether this process can take a message."""

from typing import Protocol, runtime_checkable

from starlette.requests import Request
from starlette.responses import Response

import emonk
from emonk.errors import EmonkError
from emonk.gateway.desk import desk_of
from emonk.gateway.problems import json_response


@runtime_checkable
class Checked(Protocol):
    """A store that finds out more about itself than whether it can be read."""

    async def check(self) -> None:
        """Raises an `EmonkError` if it does not keep what it is given."""
        ...


async def health(request: Request) -> Response:
    """Tell 200 `ok`, or 503 with what does not answer; needs no token and tells no secrets."""
    desk = desk_of(request)
    failing: dict[str, str] = {}
    for agent in desk.agents.values():
        try:
            if isinstance(agent.store, Checked):
                await agent.store.check()
            await agent.store.sessions(agent=agent.name, limit=1)
        except EmonkError as error:
            failing[agent.name] = error.code
    state = {"status": "unavailable" if failing else "ok", "version": emonk.__version__, "agents": sorted(desk.agents)}
    return json_response({**state, "failing": failing}, 503 if failing else 200)
