"""What the handlers of the gateway work with."""

import difflib
from collections.abc import Mapping

import msgspec
from starlette.requests import Request

from emonk.agent import Agent
from emonk.clock import Clock
from emonk.gateway.problems import ProblemError
from emonk.gateway.running import RunningTurns
from emonk.records import Session, SessionKey

ID_LIMIT = 200
USER = "local"
"""Whom the token stands for."""


class Desk(msgspec.Struct, frozen=True):
    """The agents that are served, and the turns they run."""

    agents: Mapping[str, Agent]
    running: RunningTurns
    clock: Clock

    def agent(self, name: str | None) -> Agent:
        """The agent of that name, or the only one there is.

        Raises:
            ProblemError: 404 there is none of that name, 422 no name and several agents.
        """
        names = ", ".join(sorted(self.agents)) or "none"
        if name is None:
            if len(self.agents) == 1:
                return next(iter(self.agents.values()))
            raise ProblemError(422, "agent_required", "several agents are served", f"name one in `agent`: {names}")
        if name not in self.agents:
            near = difflib.get_close_matches(name, self.agents, 1)
            hint = f"did you mean {near[0]}?" if near else f"the agents are: {names}"
            raise ProblemError(404, "unknown_agent", f"there is no agent {name!r}", hint)
        return self.agents[name]

    async def session(self, request: Request) -> tuple[Agent, Session]:
        """The session that the path names, of the agent that `?agent=` names or of whichever has it.

        Raises:
            ProblemError: 404 there is none in which the user has a part, 409 several agents have one of that name.
        """
        session_id = request.path_params["session_id"]
        check_stored(session_id)
        name = request.query_params.get("agent")
        agents = self.agents.values() if name is None else [self.agent(name)]
        found = [(agent, await agent.store.session(SessionKey(agent.name, session_id))) for agent in agents]
        known = [(agent, info) for agent, info in found if info is not None and USER in info.participants]
        if not known:
            raise ProblemError(
                404, "unknown_session", f"there is no session {session_id!r:.80}", "GET /api/sessions lists them"
            )
        if len(known) > 1:
            names = ", ".join(agent.name for agent, _ in known)
            raise ProblemError(
                409, "ambiguous_session", "several agents have this session", f"add ?agent= with one: {names}"
            )
        return known[0]


def check_stored(session_id: str) -> None:
    """What can be no session's name names none.

    Raises:
        ProblemError: 404.
    """
    if not session_id.isprintable():
        raise ProblemError(404, "unknown_session", "there is no session of that name", "GET /api/sessions lists them")


def desk_of(request: Request) -> Desk:
    """The desk of the app that serves the request."""
    desk: Desk = request.app.state.desk
    return desk


def check_id(value: str | None, what: str) -> None:
    """Refuse an identifier that is empty, too long, or not printable.

    Raises:
        ProblemError: 422.
    """
    if value is not None and not (0 < len(value) <= ID_LIMIT and value.isprintable() and value.strip() == value):
        raise ProblemError(422, "invalid_request", f"{what} is not usable", f"1 to {ID_LIMIT} printable characters")
