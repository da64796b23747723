"""Reading sessions back, health, and pages over HTTP."""

import asyncio
import os
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from emonk import tool
from emonk.errors import Unavailable
from emonk.events import Logged, Opaque, TurnFinished
from emonk.extend import Page
from emonk.gateway.wire import encode, event_json
from emonk.testing.model import call
from tests.gateway.serving import agent_of, served


@tool(risk="low", idempotent=True, triggers=("say something", "echo {text}"))
async def echo(text: str = "something") -> str:
    """Say it again.

    Args:
        text: what to say.
    """
    return text


@tool(risk="low", idempotent=True, triggers=("double {number}",))
async def double(number: int) -> int:
    """Double a number.

    Args:
        number: which.
    """
    return 2 * number


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(work)


def test_a_session_is_read_back_as_events(tmp_path: Path) -> None:
    async def main() -> None:
        agent = agent_of(tmp_path, [[call("echo", call_id="c1", text="ho")], "ho!"], tools=[echo])
        async with served(agent) as server:
            await server.chat("say ho", session_id="s 1/ü")
            whole = await server.get("/api/sessions/s%201%2F%C3%BC?agent=tester")
            assert (whole["session_id"], whole["agent"]) == ("s 1/ü", "tester")
            events = whole["events"]
            kinds = [event["kind"] for event in events]
            assert kinds == ["user_message", "model_message", "tool_result", "model_message", "turn_finished"]
            assert [event["revision"] for event in events] == [1, 2, 3, 4, 5]
            assert whole["revision"] == 5
            (listed,) = (await server.get("/api/sessions"))["sessions"]
            assert {**listed, "events": events} == whole
            assert (whole["title"], whole["metadata"], whole["participants"]) == ("say ho", {}, ["local"])
            assert all(event["at"] > 1_700_000_000_000_000 for event in events)
            assert events[0]["text"] == "say ho"
            assert events[1]["tool_calls"] == [{"id": "c1", "name": "echo", "arguments": {"text": "ho"}}]
            assert events[2]["result"]["content"] == "ho"
            assert events[3]["text"] == "ho!"
            later = await server.get("/api/sessions/s%201%2F%C3%BC?after=3")
            assert [event["revision"] for event in later["events"]] == [4, 5]

    run(main())


def test_sessions_are_listed_last_active_first(tmp_path: Path) -> None:
    async def main() -> None:
        agents = agent_of(tmp_path, ["1", "2"], name="first"), agent_of(tmp_path, ["3"], name="second")
        async with served(*agents) as server:
            for agent, session in (("first", "a"), ("second", "b"), ("first", "c")):
                await server.chat(f"hello {session}", agent=agent, session_id=session)
            listed = (await server.get("/api/sessions"))["sessions"]
            assert [(one["agent"], one["session_id"]) for one in listed] == [
                ("first", "c"),
                ("second", "b"),
                ("first", "a"),
            ]
            assert listed[0]["title"] == "hello c"
            only = (await server.get("/api/sessions?agent=second"))["sessions"]
            assert [one["session_id"] for one in only] == ["b"]

    run(main())


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        agents = agent_of(tmp_path, ["1"], name="first"), agent_of(tmp_path, ["2"], name="second")
        async with served(*agents) as server:
            assert (await server.refused("GET", "/api/sessions/none", 404))["code"] == "unknown_session"
            assert (await server.refused("GET", "/api/sessions?agent=frist", 404))["hint"] == "did you mean first?"
            assert (await server.refused("GET", "/api/nowhere", 404))["code"] == "not_found"
            assert (await server.refused("GET", "/api/chat", 405))["code"] == "method_not_allowed"
            for agent in ("first", "second"):
                await server.chat("hi", agent=agent, session_id="same")
            assert (await server.refused("GET", "/api/sessions/same", 409))["code"] == "ambiguous_session"
            bad = await server.refused("GET", "/api/sessions/same?agent=first&after=-1", 422)
            assert bad["code"] == "invalid_request"

    run(main())


def test_agents_say_what_one_might_ask(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, [], tools=[echo, double])) as server:
            (about,) = (await server.get("/api/agents"))["agents"]
            assert (about["name"], about["offline"]) == ("tester", False)
            assert about["examples"] == ["say something", "double \u2026"]

    run(main())


def test_health_tells_when_what_is_written_is_lost(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, ["hello"])) as server:
            await server.chat("hi")
            for ending in ("", "-wal", "-shm"):
                os.unlink(f"{tmp_path}/sessions.db{ending}")  # noqa: PTH108  quick, and no await to hold up
            async with server.http.get(f"{server.url}/health") as response:
                assert response.status == 503
                assert (await response.json())["failing"] == {"tester": "store_removed"}

    run(main())


def test_health_tells_the_version_and_the_agents(tmp_path: Path) -> None:
    async def main() -> None:
        agent = agent_of(tmp_path, [])
        async with served(agent) as server:
            health = await server.get("/health")
            assert (health["status"], health["agents"]) == ("ok", ["tester"])
            await agent.aclose()
            async with server.http.get(f"{server.url}/health") as response:
                assert response.status == 503
                assert (await response.json())["status"] == "unavailable"

    run(main())


async def greeting() -> str:
    return "<p>What it costs</p>"


async def unavailable() -> str:
    raise Unavailable("the ledger cannot be read", hint="wait", retry_after=2.2)


async def defect() -> str:
    raise LookupError("a secret detail")


def test_declared_pages_stand_behind_the_sign_in_with_the_navigation(tmp_path: Path) -> None:
    async def main() -> None:
        page = Page("/costs", "Costs & more", greeting)
        async with served(agent_of(tmp_path, []), pages=[page]) as server:
            async with server.http.get(f"{server.url}/costs") as response:
                text = await response.text()
                assert "<p>What it costs</p>" in text
                assert '<a href="/costs">Costs &amp; more</a>' in text
            async with server.http.get(f"{server.url}/costs", headers={"Authorization": ""}) as response:
                assert response.status == 401
                assert "What it costs" not in await response.text()

    run(main())


def test_pages_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, [])) as server:
            async with server.http.get(f"{server.url}/") as response:
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                text = await response.text()
                assert "http://" not in text
                assert "https://" not in text
            async with server.http.get(f"{server.url}/static/chat.js") as response:
                assert response.content_type == "text/javascript"
            await server.refused("GET", "/static/..%2Fapp.py", 404)
            await server.refused("GET", "/static/chat.html", 404)

    run(main())


def test_an_outside_failure_is_503_with_its_retry_after(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            served(agent_of(tmp_path, []), pages=[Page("/ledger", "Ledger", unavailable)]) as server,
            server.http.get(f"{server.url}/ledger") as response,
        ):
            assert (response.status, response.headers["Retry-After"]) == (503, "3")
            assert (await response.json())["error"]["hint"] == "wait"

    run(main())


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0, None), (-1.0, None), (float("nan"), None), (float("inf"), None), (1e300, "86400"), (0.2, "1")],
)
def test_a_hint_is_told_as_far_as_it_makes_sense(tmp_path: Path, seconds: float, told: str | None) -> None:
    async def senseless() -> str:
        raise Unavailable("the ledger cannot be read", retry_after=seconds)

    async def main() -> None:
        async with (
            served(agent_of(tmp_path, []), pages=[Page("/ledger", "Ledger", senseless)]) as server,
            server.http.get(f"{server.url}/ledger") as response,
        ):
            assert response.status == 503
            assert response.headers.get("Retry-After") == told

    run(main())


def test_a_defect_tells_the_log_and_not_the_caller(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, []), pages=[Page("/broken", "Broken", defect)]) as server:
            error = await server.refused("GET", "/broken", 500)
            assert error["code"] == "internal"
            assert "secret" not in msgspec.json.encode(error).decode()

    run(main())
    assert "a secret detail" in caplog.text


def test_an_event_of_an_unknown_kind_is_passed_on() -> None:
    event = event_json(Logged(3, 17, Opaque("novelty", {"kind": "novelty", "depth": 2})))
    assert event == {"revision": 3, "at": 17, "kind": "novelty", "depth": 2}


def test_money_in_events_is_a_number() -> None:
    event = TurnFinished(message_id="m", status="done", steps=1, cost_usd=Decimal("0.50"))
    assert b'"cost_usd":0.50' in encode(event_json(Logged(1, 1, event)))
