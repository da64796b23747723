"""Sessions are begun, named, paged and deleted over HTTP, by whom they belong to."""

import asyncio
import io
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from emonk.gateway.sessions_api import MOST_LISTED
from emonk.models.protocol import ModelRequest
from emonk.records import EffectState, SessionKey
from emonk.store.record_protocol import Put
from tests.gateway.serving import Served, agent_of, served


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(work)


async def send(server: Served, method: str, path: str, status: int = 200, **request: Any) -> dict[str, Any]:
    async with server.http.request(method, server.url + path, **request) as response:
        answer = await response.json()
        assert response.status == status, answer
        return answer


def test_a_session_begins_is_renamed_and_is_deleted(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, ["hello"])) as server:
            new = {"session_id": "s1", "title": "Trips", "metadata": {"team": 7}}
            made = await send(server, "POST", "/api/sessions", 201, json=new)
            assert (made["session_id"], made["title"], made["metadata"], made["revision"]) == (
                "s1",
                "Trips",
                {"team": 7},
                0,
            )
            assert (await server.refused("POST", "/api/sessions", 409, json=new))["code"] == "conflict"
            await server.chat("hi", session_id="s1")
            assert (await server.get("/api/sessions"))["sessions"][0]["title"] == "Trips"
            assert (await send(server, "PATCH", "/api/sessions/s1", json={"title": "Tours"}))["title"] == "Tours"
            assert await send(server, "DELETE", "/api/sessions/s1") == {"deleted": True}
            assert (await server.refused("DELETE", "/api/sessions/s1", 404))["code"] == "unknown_session"
            assert (await server.get("/api/sessions"))["sessions"] == []
            assert (await send(server, "POST", "/api/sessions", 201, json={}))["session_id"]

    run(main())


def test_a_session_of_others_is_not_found_whatever_is_tried(tmp_path: Path) -> None:
    async def main() -> None:
        agent = agent_of(tmp_path, ["hello", "secret"])
        async with served(agent) as server:
            await agent.process_message("hi", session_id="s1", user_id="ann")
            for method, path, body in (
                ("GET", "", None),
                ("PATCH", "", {"title": "mine"}),
                ("DELETE", "", None),
                ("POST", "/cancel", None),
            ):
                there = await server.refused(method, f"/api/sessions/s1{path}", 404, json=body)
                nowhere = await server.refused(method, f"/api/sessions/s2{path}", 404, json=body)
                assert there == {**nowhere, "message": "there is no session 's1'"}
            for later in (False, True):
                message = {"message": "what did ann say?", "session_id": "s1", "later": later}
                assert (await server.refused("POST", "/api/chat", 404, json=message))["code"] == "unknown_session"
            assert (await server.get("/api/sessions")) == {"sessions": [], "next": None}
            assert (await agent.sessions.load("s1")).revision == 3

    run(main())


def test_a_session_is_not_deleted_while_its_turn_runs(tmp_path: Path) -> None:
    async def main() -> None:
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def slow(_: ModelRequest) -> str:
            asked.set()
            await go_on.wait()
            return "done"

        agent = agent_of(tmp_path, [slow])
        async with served(agent) as server:
            turn = asyncio.create_task(server.chat("hi", session_id="s1"))
            await asked.wait()
            assert (await server.refused("DELETE", "/api/sessions/s1", 409))["code"] == "session_busy"
            go_on.set()
            assert (await turn)["text"] == "done"
            key = SessionKey("tester", "s1")
            state = EffectState.UNKNOWN
            put = Put(namespace="effects", key="k", data=b"{}", expected_version=0, session=key, state=state)
            (record,) = await agent.store.put([put])
            assert (await server.refused("DELETE", "/api/sessions/s1", 409))["code"] == "effects_open"
            await agent.store.remove("effects", "k", expected_version=record.version)
            await send(server, "DELETE", "/api/sessions/s1")

    run(main())


def test_pages_of_all_agents_lead_to_every_session_once(tmp_path: Path) -> None:
    async def main() -> None:
        agents = agent_of(tmp_path, [], name="first"), agent_of(tmp_path, [], name="second")
        async with served(*agents) as server:
            for number in range(7):
                await agents[number % 2].sessions.create(session_id=f"s{number}")
            seen: list[str] = []
            path = "/api/sessions?limit=3"
            while True:
                page = await server.get(path)
                seen += [one["session_id"] for one in page["sessions"]]
                if page["next"] is None:
                    break
                path = f"/api/sessions?limit=3&before={page['next']}"
            assert seen == [f"s{number}" for number in reversed(range(7))]
            for wrong in ("limit=0", f"limit={MOST_LISTED + 1}", "limit=x", "before=-1", f"before={'9' * 30}"):
                assert (await server.refused("GET", f"/api/sessions?{wrong}", 422))["code"] == "invalid_request"

    run(main())


@pytest.mark.parametrize("name", ["a/b", "it's", 'a"b', "\U0001f412", "a%2Fb", "x" * 200])
def test_names_with_odd_letters_are_names(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, ["hello"])) as server:
            await server.chat("hi", session_id=name)
            path = f"/api/sessions/{quote(name, safe='')}"
            assert (await server.get(path))["session_id"] == name
            assert (await send(server, "PATCH", path, json={"title": "t"}))["title"] == "t"
            await send(server, "DELETE", path)
            assert (await server.refused("GET", path, 404))["code"] == "unknown_session"

    run(main())


@pytest.mark.parametrize("name", ["x" * 10_000, "nul\0", "a\nb", "\x1b[2J", "\u202e"])
def test_what_is_no_name_is_refused_shortly(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, [])) as server:
            error = await server.refused("GET", f"/api/sessions/{quote(name, safe='')}", 404)
            assert error["code"] in {"unknown_session", "not_found"}
            assert len(error["message"]) < 200
            for path in ("/api/sessions", "/api/chat"):
                error = await server.refused("POST", path, 422, json={"message": "hi", "session_id": name})
                assert error["code"] == "invalid_request"

    run(main())


def test_bodies_that_make_no_sense_are_the_callers_fault(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, ["hello", "world"])) as server:
            await server.chat("hi", session_id="s1")
            half = b'{"message": "a\\ud800b", "session_id": "s2"}'
            for method, path, status, body in (
                ("POST", "/api/chat", 413, b'{"message": "' + b"x" * 5_000_000 + b'"}'),
                ("POST", "/api/chat", 400, half),
                ("POST", "/api/chat", 400, b'{"message": "\xed\xa0\x80"}'),
                ("POST", "/api/sessions", 422, b'{"title": 7}'),
                ("POST", "/api/sessions", 422, b'{"titel": "x"}'),
                ("POST", "/api/sessions", 422, b'{"metadata": {"x": "' + b"y" * 100_000 + b'"}}'),
                ("POST", "/api/sessions", 400, b'{"metadata": {"x": ' + b"[" * 400_000),
                ("PATCH", "/api/sessions/s1", 422, b"{}"),
                ("PATCH", "/api/sessions/s1", 400, b'{"title": "\\ud800"}'),
                ("PATCH", "/api/sessions/s1", 400, b"nonsense"),
            ):
                error = await server.refused(method, path, status, data=io.BytesIO(body))
                assert len(error["message"]) < 300, error
            assert [one["title"] for one in (await server.get("/api/sessions"))["sessions"]] == ["hi"]
            assert (await server.chat("nul \0 inside", session_id="s3", message_id="m"))["text"] == "world"

    run(main())
