"""`/api/sessions`: what was said, and how to stop what is being said; `/api/agents`: to whom."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from emonk.agent import Agent
from emonk.errors import InvalidConfig
from emonk.gateway.desk import USER, check_id, desk_of
from emonk.gateway.limits import read_json
from emonk.gateway.problems import ProblemError, json_response
from emonk.gateway.wire import event_json, session_json

LISTED = 50
EXAMPLES = 6
MOST_LISTED = 1000
BLANK = "\u2026"
_PLACEHOLDER = re.compile(r"\{\w+\}")


class NewSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session to begin; `metadata` is any JSON object."""

    agent: str | None = None
    session_id: str | None = None
    title: str = ""
    metadata: dict[str, Any] = {}


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be changed of a session."""

    title: str


async def agents(request: Request) -> Response:
    """Who is served, with which model, and what one might ask."""
    return json_response({"agents": [_agent_json(agent) for agent in desk_of(request).agents.values()]})


async def sessions(request: Request) -> Response:
    """Sessions, last active first, of the agent that `?agent=` names or of all.

    `?limit=` so many; `next` given back as `?before=` pages on, and is null on the last page.
    """
    desk = desk_of(request)
    name = request.query_params.get("agent")
    limit = _number(request, "limit", LISTED)
    before = _number(request, "before", None)
    if limit is None or not 1 <= limit <= MOST_LISTED:
        raise ProblemError(422, "invalid_request", f"limit is {limit}", f"1 to {MOST_LISTED}")
    chosen = desk.agents.values() if name is None else [desk.agent(name)]
    pages = [await agent.sessions.list(USER, limit=limit, before=before) for agent in chosen]
    found = sorted((one for page in pages for one in page.sessions), key=lambda info: info.last_active, reverse=True)
    listed = found[:limit]
    listed += [one for one in found[limit:] if one.last_active == listed[-1].last_active]
    more = len(found) > len(listed) or any(page.before is not None for page in pages)
    following = listed[-1].last_active if more else None
    return json_response({"sessions": [session_json(info) for info in listed], "next": following})


async def create(request: Request) -> Response:
    """Begin a session before its first message; 409 when there is one of that name."""
    asked = await read_json(request, NewSession)
    check_id(asked.session_id, "session_id")
    agent = desk_of(request).agent(asked.agent)
    try:
        made = await agent.sessions.create(
            USER, session_id=asked.session_id, title=asked.title, metadata=asked.metadata
        )
    except InvalidConfig as error:
        raise ProblemError(422, "invalid_request", error.message, error.hint) from error
    return json_response(session_json(made), 201)


async def change(request: Request) -> Response:
    """Give a session another title."""
    asked = await read_json(request, Change)
    agent, info = await desk_of(request).session(request)
    return json_response(session_json(await agent.sessions.rename(info.session_id, asked.title, user_id=USER)))


async def delete(request: Request) -> Response:
    """Remove a session and all that belongs to it; 409 while a turn runs or it is not known what an effect did."""
    agent, info = await desk_of(request).session(request)
    await agent.sessions.delete(info.session_id, user_id=USER)
    return json_response({"deleted": True})


async def session(request: Request) -> Response:
    """One session, as in a listing, with its events, those after revision `?after=` if that is given.

    `revision` is that of the last event shown, for the next `?after=`.
    """
    agent, info = await desk_of(request).session(request)
    events = await agent.store.read(info.key, after=_after(request))
    revision = events[-1].revision if events else info.revision
    shown = [event_json(logged) for logged in events]
    return json_response({**session_json(info), "revision": revision, "events": shown})


async def cancel(request: Request) -> Response:
    """End the session's running turn; `cancelled` is false when none runs here."""
    agent, info = await desk_of(request).session(request)
    return json_response({"cancelled": await agent.cancel(info.session_id)})


def _after(request: Request) -> int:
    return _number(request, "after", 0) or 0


def _number(request: Request, name: str, default: int | None) -> int | None:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 18):
        raise ProblemError(422, "invalid_request", f"{name} is {given!r:.80}", "a whole number from 0")
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
