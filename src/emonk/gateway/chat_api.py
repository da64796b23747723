"""`POST /api/chat`: a message to an agent, answered whole or as a stream."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from emonk.agent import Agent
from emonk.errors import SessionNotFound
from emonk.gateway.desk import USER, check_id, desk_of
from emonk.gateway.limits import read_json
from emonk.gateway.problems import ProblemError, json_response
from emonk.gateway.running import ShuttingDownError
from emonk.gateway.sse import turn_response
from emonk.gateway.wire import queued_json, reply_json
from emonk.ids import uuid7
from emonk.records import SessionKey

MESSAGE_CHARACTERS = 100_000


class ChatRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message; without `session_id` it opens a session, the same `message_id` again gets the first one's reply.

    `later` asks for no reply now: the message is kept, and answered by a language model as soon as one can be reached.
    """

    message: str
    agent: str | None = None
    session_id: str | None = None
    message_id: str | None = None
    stream: bool = False
    later: bool = False


async def chat(request: Request) -> Response:
    """Answer a message.

    Whatever the turn comes to is a 200: `status` in the body tells `done` from `failed`, `limit` or `busy`.
    A client that goes away does not end the turn; `POST /api/sessions/ID/cancel` does.
    """
    desk = desk_of(request)
    asked = await read_json(request, ChatRequest)
    _check(asked)
    agent = desk.agent(asked.agent)
    session_id = asked.session_id or uuid7()
    message_id = asked.message_id or uuid7()
    if asked.session_id is not None:
        await _check_part(agent, asked.session_id)
    if asked.later:
        return await _later(agent, session_id, message_id, asked.message)
    try:
        turn = desk.running.start(agent, session_id, message_id, asked.message, stream=asked.stream)
        if asked.stream:
            return turn_response(turn, desk.clock)
        return json_response(reply_json(await turn.reply()))
    except ShuttingDownError as error:
        hint = "send it again with the same message_id when the server is back"
        raise ProblemError(503, "shutting_down", "the server ends", hint) from error


async def _check_part(agent: Agent, session_id: str) -> None:
    """A session of others is not found: to answer in it would tell what they said."""
    known = await agent.store.session(SessionKey(agent.name, session_id))
    if known is not None and USER not in known.participants:
        raise SessionNotFound(f"there is no session {session_id!r}")


async def _later(agent: Agent, session_id: str, message_id: str, text: str) -> Response:
    accepted = await agent.enqueue(text, session_id=session_id, message_id=message_id)
    if not accepted:
        raise ProblemError(429, "inbox_full", "too many messages of this session wait already", "ask again later")
    return json_response(queued_json(agent.name, session_id, message_id), 202)


def _check(asked: ChatRequest) -> None:
    if not asked.message.strip():
        raise ProblemError(422, "invalid_request", "message is empty", "say something")
    if len(asked.message) > MESSAGE_CHARACTERS:
        raise ProblemError(422, "invalid_request", f"message is longer than {MESSAGE_CHARACTERS} characters")
    check_id(asked.session_id, "session_id")
    check_id(asked.message_id, "message_id")
