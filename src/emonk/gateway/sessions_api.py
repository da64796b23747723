"""`/api/sessions`: what was said, and how to stop what is being said; `/api/agents`: to whom."""

import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from emonk.agent import Agent
from emonk.gateway.desk import desk_of
from emonk.gateway.problems import ProblemError, json_response
from emonk.gateway.wire import event_json, session_json
from emonk.records import Session

LISTED = 50
EXAMPLES = 6
BLANK = "\u2026"
_PLACEHOLDER = re.compile(r"\{\w+\}")


async def agents(request: Request) -> Response:
    """Who is served, with which model, and what one might ask."""
    return json_response({"agents": [_agent_json(agent) for agent in desk_of(request).agents.values()]})


async def sessions(request: Request) -> Response:
    """Sessions, last active first, of the agent that `?agent=` names or of all."""
    desk = desk_of(request)
    name = request.query_params.get("agent")
    chosen = desk.agents.values() if name is None else [desk.agent(name)]
    found: list[Session] = []
    for agent in chosen:
        found += await agent.store.sessions(agent=agent.name, limit=LISTED)
    found.sort(key=lambda info: info.last_active, reverse=True)
    return json_response({"sessions": [session_json(info) for info in found[:LISTED]]})


async def session(request: Request) -> Response:
    """One session with its events, those after revision `?after=` if that is given."""
    agent, info = await desk_of(request).session(request)
    events = await agent.store.read(info.key, after=_after(request))
    revision = events[-1].revision if events else info.revision
    about = {"session_id": info.session_id, "agent": agent.name, "revision": revision}
    return json_response({**about, "events": [event_json(logged) for logged in events]})


async def cancel(request: Request) -> Response:
    """End the session's running turn; `cancelled` is false when none runs here."""
    agent, info = await desk_of(request).session(request)
    return json_response({"cancelled": await agent.cancel(info.session_id)})


def _after(request: Request) -> int:
    given = request.query_params.get("after", "0")
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise ProblemError(422, "invalid_request", f"after is {given!r}", "a revision is a whole number from 0")
    return int(given)


def _agent_json(agent: Agent) -> dict[str, object]:
    return {
        "name": agent.name,
        "model": agent.model_spec,
        "offline": agent.model_spec == "offline",
        "examples": [_example(tool.triggers) for tool in agent.tools if tool.triggers][:EXAMPLES],
        "notices": list(agent.notices),
    }


def _example(triggers: Sequence[str]) -> str:
    """What one might say to have a tool run; where nothing complete is known, with blanks to fill in."""
    whole = next((trigger for trigger in triggers if "{" not in trigger), None)
    return whole or _PLACEHOLDER.sub(BLANK, triggers[0])
