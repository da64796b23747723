"""Asking over HTTP: whole, streamed, repeated, cancelled, and asked wrongly."""

import asyncio
import io
import json
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emonk import tool
from emonk.errors import Unavailable
from emonk.gateway.app import close_turns
from emonk.gateway.limits import BODY_BYTES, BODY_SECONDS
from emonk.gateway.sse import HEARTBEAT_SECONDS
from emonk.gateway.wire import encode, reply_json
from emonk.models.protocol import ModelRequest
from emonk.records import Reply, SessionKey
from emonk.testing.clock import ManualClock
from emonk.testing.model import call
from tests.gateway.serving import Served, agent_of, events_of, served


@tool(risk="low", idempotent=True)
async def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: where.
    """
    return f"Rain in {city}"


class Gate:
    """A model's answer that comes when the test lets it."""

    def __init__(self, text: str = "late, but there") -> None:
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.text = text

    async def __call__(self, _request: ModelRequest) -> str:
        self.asked.set()
        await self.open.wait()
        return self.text


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_message_gets_the_reply_the_contract_names(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, ["Hello."])) as server:
            reply = await server.chat("hi", agent="tester", session_id="s1")
            assert {"text", "status", "session_id", "trace_id", "cost_usd"} <= set(reply)
            assert (reply["text"], reply["status"], reply["session_id"]) == ("Hello.", "done", "s1")
            assert len(reply["trace_id"]) == 32

    run(main())


def test_the_only_agent_need_not_be_named_and_a_session_is_made(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, ["One.", "Two."])) as server:
            first = await server.chat("hi")
            again = await server.chat("more", session_id=first["session_id"])
            assert first["session_id"] == again["session_id"]

    run(main())


def test_a_cost_is_a_number_and_an_unknown_one_is_null() -> None:
    reply = Reply(text="", status="done", session_id="s", message_id="m", trace_id="t", cost_usd=Decimal("0.00125"))
    assert json.loads(encode(reply_json(reply)))["cost_usd"] == 0.00125
    unknown = Reply(text="", status="done", session_id="s", message_id="m", trace_id="t", cost_usd=None)
    assert json.loads(encode(reply_json(unknown)))["cost_usd"] is None


def test_a_stream_tells_what_happens_in_order(tmp_path: Path) -> None:
    async def main() -> None:
        agent = agent_of(
            tmp_path, [[call("weather", call_id="c1", city="Paris")], "Take an umbrella."], tools=[weather]
        )
        async with served(agent) as server:
            events = await streamed(server, message="weather?", session_id="s1", message_id="m1")
        names = [name for name, _ in events]
        assert names[0] == "accepted"
        assert {**events[0][1], "trace_id": ""} == {"session_id": "s1", "message_id": "m1", "trace_id": ""}
        assert names[1:3] == ["tool_call", "tool_result"]
        assert events[1][1] == {"id": "c1", "name": "weather", "arguments": {"city": "Paris"}}
        assert events[2][1]["content"] == "Rain in Paris"
        assert events[2][1]["error"] is None
        assert "".join(data["text"] for name, data in events if name == "delta") == "Take an umbrella."
        assert names[-1] == "reply"
        assert (events[-1][1]["text"], events[-1][1]["status"]) == ("Take an umbrella.", "done")

    run(main())


def test_a_repeated_message_id_gets_the_first_reply(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, ["Only once."])) as server:
            first = await server.chat("hi", session_id="s1", message_id="m1")
            assert await server.chat("hi", session_id="s1", message_id="m1") == first
            events = await streamed(server, message="hi", session_id="s1", message_id="m1")
            assert events[-1] == ("reply", first)

    run(main())


def test_a_second_watcher_sees_the_turn_from_its_beginning(tmp_path: Path) -> None:
    async def main() -> None:
        gate = Gate()
        agent = agent_of(tmp_path, [[call("weather", city="Paris")], gate], tools=[weather])
        async with served(agent) as server:
            asked = {"message": "weather?", "session_id": "s1", "message_id": "m1"}
            first = asyncio.create_task(streamed(server, **asked))
            await gate.asked.wait()
            second = asyncio.create_task(streamed(server, **asked))
            whole = asyncio.create_task(server.chat(**asked))
            gate.open.set()
            assert await first == await second
            assert (await whole)["text"] == gate.text

    run(main())


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_does_not_end_the_turn(tmp_path: Path, stream: bool) -> None:
    async def main() -> None:
        gate = Gate()
        async with served(agent_of(tmp_path, [gate])) as server:
            asked = {"message": "hi", "session_id": "s1", "message_id": "m1"}
            leaving = asyncio.create_task(streamed(server, **asked) if stream else server.chat(**asked))
            await gate.asked.wait()
            leaving.cancel()
            await asyncio.wait({leaving})
            gate.open.set()
            reply = await server.chat(**asked)
            assert (reply["status"], reply["text"]) == ("done", gate.text)

    run(main())


def test_cancel_ends_the_running_turn(tmp_path: Path) -> None:
    async def main() -> None:
        gate = Gate()
        async with served(agent_of(tmp_path, [gate])) as server:
            turn = asyncio.create_task(server.chat("hi", session_id="spaces/one"))
            await gate.asked.wait()
            path = f"{server.url}/api/sessions/spaces/one/cancel"
            async with server.http.post(path) as response:
                assert await response.json() == {"cancelled": True}
            assert (await turn)["status"] == "cancelled"
            async with server.http.post(path) as response:
                assert await response.json() == {"cancelled": False}

    run(main())


def test_a_silent_turn_sends_heartbeats(tmp_path: Path) -> None:
    async def main() -> None:
        gate, clock = Gate(), ManualClock()
        async with served(agent_of(tmp_path, [gate]), clock=clock) as server:
            asked = {"message": "hi", "stream": True}
            async with server.http.post(f"{server.url}/api/chat", json=asked) as response:
                events = events_of(response)
                assert (await anext(events))[0] == "accepted"
                await gate.asked.wait()
                for _ in range(2):
                    await clock.wait_for_sleepers()
                    await clock.advance(HEARTBEAT_SECONDS)
                    assert (await anext(events))[0] == ":"
                gate.open.set()
                names = [name async for name, _ in events]
                assert names[-1] == "reply"

    run(main())


def test_at_shutdown_a_stream_ends_with_an_error_and_the_turn_is_kept(tmp_path: Path) -> None:
    async def main() -> None:
        gate = Gate()
        agent = agent_of(tmp_path, [gate])
        async with served(agent) as server:
            watching = asyncio.create_task(streamed(server, message="hi", session_id="s1", message_id="m1"))
            await gate.asked.wait()
            await close_turns(server.app, 0.0)
            name, data = (await watching)[-1]
            assert (name, data["code"]) == ("error", "shutting_down")
            refused = await server.refused("POST", "/api/chat", 503, json={"message": "more"})
            assert refused["code"] == "shutting_down"
        async with agent_of(tmp_path, ["resumed"]) as later:
            reply = await later.resume("s1")
            assert reply is not None
            assert (reply.status, reply.text) == ("done", "resumed")

    run(main())


def test_several_agents_must_be_told_apart(tmp_path: Path) -> None:
    async def main() -> None:
        agents = agent_of(tmp_path, ["one"], name="first"), agent_of(tmp_path, ["two"], name="second")
        async with served(*agents) as server:
            assert (await server.chat("hi", agent="second", session_id="s1"))["text"] == "two"
            error = await server.refused("POST", "/api/chat", 422, json={"message": "hi"})
            assert error["code"] == "agent_required"
            assert "first, second" in error["hint"]
            error = await server.refused("POST", "/api/chat", 404, json={"message": "hi", "agent": "secnd"})
            assert error["hint"] == "did you mean second?"

    run(main())


BAD_REQUESTS = {
    "not json": (b"{", 400, "not_json"),
    "not utf-8": (b'{"message": "\xff"}', 400, "not_json"),
    "empty": (b"", 400, "not_json"),
    "nested too deep": (b'{"message": "a", "zz": ' + b"[" * 400_000, 422, "invalid_request"),
    "an array": (b"[]", 422, "invalid_request"),
    "no message": (b"{}", 422, "invalid_request"),
    "message of a wrong type": (b'{"message": 1}', 422, "invalid_request"),
    "stream of a wrong type": (b'{"message": "a", "stream": "yes"}', 422, "invalid_request"),
    "blank message": (b'{"message": " \\n"}', 422, "invalid_request"),
    "long message": (json.dumps({"message": "a" * 100_001}).encode(), 422, "invalid_request"),
    "a field misspelt": (b'{"message": "a", "sesion_id": "s1"}', 422, "invalid_request"),
    "blank session": (b'{"message": "a", "session_id": ""}', 422, "invalid_request"),
    "session with control characters": (b'{"message": "a", "session_id": "a\\u0000"}', 422, "invalid_request"),
    "long message_id": (json.dumps({"message": "a", "message_id": "m" * 201}).encode(), 422, "invalid_request"),
    "too large": (b'{"message": "' + b"a" * BODY_BYTES + b'"}', 413, "too_large"),
}


@pytest.mark.parametrize(("body", "status", "code"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_told_what_is_wrong(tmp_path: Path, body: bytes, status: int, code: str) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, [])) as server:
            assert (await server.refused("POST", "/api/chat", status, data=io.BytesIO(body)))["code"] == code
            assert (await server.get("/api/sessions"))["sessions"] == []

    run(main())


def test_a_body_without_a_length_is_stopped_at_the_limit_too(tmp_path: Path) -> None:
    async def body() -> Any:
        for _ in range(20):
            yield b"a" * (BODY_BYTES // 8)

    async def main() -> None:
        async with served(agent_of(tmp_path, [])) as server:
            assert (await server.refused("POST", "/api/chat", 413, data=body()))["code"] == "too_large"

    run(main())


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async def body() -> Any:
        yield b'{"message": "'
        await asyncio.Event().wait()

    async def main() -> None:
        clock = ManualClock()
        async with served(agent_of(tmp_path, []), clock=clock) as server:
            asking = asyncio.create_task(server.refused("POST", "/api/chat", 408, data=body()))
            await clock.wait_for_sleepers()
            await clock.advance(BODY_SECONDS)
            assert (await asking)["code"] == "request_timeout"

    run(main())


def test_the_message_is_durable_when_accepted_is_sent(tmp_path: Path) -> None:
    async def main() -> None:
        gate = Gate()
        agent = agent_of(tmp_path, [gate])
        async with served(agent) as server:
            asked = {"message": "hi", "session_id": "s1", "stream": True}
            async with server.http.post(f"{server.url}/api/chat", json=asked) as response:
                assert (await anext(events_of(response)))[0] == "accepted"
                info = await agent.store.session(SessionKey("tester", "s1"))
                assert info is not None
                gate.open.set()

    run(main())


async def streamed(server: Served, **asked: Any) -> list[tuple[str, dict[str, Any]]]:
    async with server.http.post(f"{server.url}/api/chat", json={**asked, "stream": True}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        return [event async for event in events_of(response)]


def test_a_failing_model_is_a_reply_not_a_server_error(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, [Unavailable("the endpoint refused the connection")])) as server:
            reply = await server.chat("hi")
            assert (reply["status"], reply["reason"]) == ("failed", "unavailable")

    run(main())
