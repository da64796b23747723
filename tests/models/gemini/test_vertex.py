"""Vertex AI over real HTTP, with the real google-auth and a token endpoint on loopback."""

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emonk import Agent
from emonk.errors import (
    ConfigError,
    EmonkError,
    InvalidConfig,
    MissingCredential,
    RateLimited,
    Unavailable,
)
from emonk.messages import user
from emonk.models import create
from emonk.models.gemini.credentials import SCOPE, DefaultCredentials
from emonk.models.gemini.token import AHEAD, PAUSE, TokenSource
from emonk.models.gemini.vertex import Place, VertexModel, address_of, read_place
from emonk.models.protocol import ModelRequest, ModelResponse
from emonk.models.section import LlmSection
from emonk.testing.answers import Answer, Raw
from emonk.testing.clock import ManualClock
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import fails, says, stream
from emonk.testing.google_tokens import TokenServer

ASKING = ModelRequest([user("hi")])
MODELS = "/v1/projects/a-project/locations/global/publishers/google/models"


class World:
    """A model on Vertex AI and what stands in for Google."""

    def __init__(self, model: VertexModel, server: GeminiServer, tokens: TokenServer, clock: ManualClock) -> None:
        self.model, self.server, self.tokens, self.clock = model, server, tokens, clock


@asynccontextmanager
async def world(folder: Path, script: Iterable[Answer], *, checked: bool = True) -> AsyncGenerator[World]:
    async with TokenServer() as tokens, GeminiServer(script, takes=tokens.takes if checked else None) as server:
        found = await asyncio.to_thread(found_in, tokens.key_file(folder))
        clock = ManualClock(epoch=time.time())
        model = VertexModel(
            "gemini-2.5-flash", project=found.project, credentials=found, base_url=server.base_url, clock=clock
        )
        try:
            yield World(model, server, tokens, clock)
        finally:
            await model.aclose()


def found_in(key: Path) -> DefaultCredentials:
    before = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(key)
    try:
        return DefaultCredentials.find(probes=(0.1,))
    finally:
        del os.environ["GOOGLE_APPLICATION_CREDENTIALS"]
        if before is not None:
            os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = before


async def following(source: TokenSource, old: str) -> str:
    """The token that comes after another, in a thread."""
    token = await source.token()
    return await following(source, old) if token == old and await asyncio.sleep(0.001, True) else token


async def streamed(model: VertexModel) -> str:
    *_, whole = [piece async for piece in model.stream(ASKING)]
    assert isinstance(whole, ModelResponse)
    return whole.text


def test_both_calls_go_to_google_s_paths_with_one_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path, [says("one"), stream([says("two")])]) as w:
            assert (await w.model.generate(ASKING)).text == "one"
            assert await streamed(w.model) == "two"
            assert w.tokens.asked == 1
        model = f"{MODELS}/gemini-2.5-flash"
        assert [seen.path for seen in w.server.requests] == [
            f"{model}:generateContent",
            f"{model}:streamGenerateContent",
        ]
        assert {seen.headers["Authorization"] for seen in w.server.requests} == {"Bearer token-1"}
        assert all("x-goog-api-key" not in seen.headers for seen in w.server.requests)

    asyncio.run(main())


def test_a_hundred_first_calls_fetch_one_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path, [says("hi")] * 100) as w:
            await asyncio.gather(*(w.model.generate(ASKING) for _ in range(100)))
            assert w.tokens.asked == 1

    asyncio.run(main())


def test_who_gives_up_waiting_for_a_token_does_not_end_it_for_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path, [says("hi")]) as w:
            gone, stays = (asyncio.create_task(w.model.generate(ASKING)) for _ in range(2))
            await asyncio.sleep(0)
            gone.cancel()
            assert (await stays).text == "hi"
            with pytest.raises(asyncio.CancelledError):
                await gone

    asyncio.run(main())


def test_a_token_is_refreshed_beside_the_calls_before_it_ends(tmp_path: Path) -> None:
    async def main() -> None:
        async with TokenServer() as tokens:
            found = await asyncio.to_thread(found_in, tokens.key_file(tmp_path))
            clock = ManualClock(epoch=time.time())
            source = TokenSource(found, clock=clock)
            assert await source.token() == "token-1"
            await clock.advance(3600 - AHEAD - 60)
            assert await source.token() == "token-1"
            assert tokens.asked == 1
            await clock.advance(61)
            assert await source.token() == "token-1"  # at once: the new one is on its way
            await tokens.wait_for_requests(2)
            async with asyncio.timeout(10):
                await following(source, "token-1")
            assert tokens.asked == 2

    asyncio.run(main())


def test_while_the_old_token_is_valid_a_failing_issuer_is_in_nobody_s_way(tmp_path: Path) -> None:
    async def main() -> None:
        async with TokenServer() as tokens:
            clock = ManualClock(epoch=time.time())
            source = TokenSource(await asyncio.to_thread(found_in, tokens.key_file(tmp_path)), clock=clock)
            assert await source.token() == "token-1"
            tokens.answer = (503, "down")
            await clock.advance(3600 - AHEAD + 1)
            assert [await source.token() for _ in range(3)] == ["token-1"] * 3
            await tokens.wait_for_requests(2)
            await clock.advance(PAUSE + 1)
            for _ in range(5000):  # until the thread has seen that the first attempt failed
                assert await source.token() == "token-1"
                if tokens.asked > 2:
                    break
                await asyncio.sleep(0.001)
            assert tokens.asked == 3

    asyncio.run(main())


def test_a_token_that_has_ended_is_not_used(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path, [says("hi")] * 2) as w:
            await w.model.generate(ASKING)
            await w.clock.advance(3600)
            await w.model.generate(ASKING)
            assert w.server.requests[-1].headers["Authorization"] == "Bearer token-2"
            await w.clock.advance(7200)
            w.tokens.answer = (503, "down")
            with pytest.raises(Unavailable, match="its issuer cannot serve: it answers 503"):
                await w.model.generate(ASKING)

    asyncio.run(main())


def test_a_401_for_a_token_that_was_good_is_worth_another_call_which_has_a_new_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path, [says("one"), says("two")]) as w:
            await w.model.generate(ASKING)
            w.tokens.issued += 1  # the old one is refused from now on
            with pytest.raises(Unavailable) as caught:
                await w.model.generate(ASKING)
            assert (caught.value.code, "token-1" in str(caught.value)) == ("token_ended", False)
            assert (await w.model.generate(ASKING)).text == "two"
            assert w.server.requests[-1].headers["Authorization"] == "Bearer token-3"

    asyncio.run(main())


def test_a_401_for_a_new_token_is_what_the_credentials_are_worth(tmp_path: Path) -> None:
    async def main() -> None:
        async with TokenServer() as tokens, GeminiServer([], takes=lambda _: False) as server:
            found = await asyncio.to_thread(found_in, tokens.key_file(tmp_path))
            model = VertexModel("gemini-2.5-flash", project="p", credentials=found, base_url=server.base_url)
            for _ in range(2):
                with pytest.raises(MissingCredential, match="may use Vertex AI in project p "):
                    await model.generate(ASKING)
            await model.aclose()
            assert len(server.refused) == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (
            (400, {"error": "invalid_grant", "error_description": "Account not found"}),
            MissingCredential,
            "invalid_grant: Ac",
        ),
        ((401, {"error": "unauthorized_client"}), MissingCredential, "unauthorized_client"),
        ((500, "oops"), Unavailable, "it answers 500"),
        ((429, "slower"), Unavailable, "it answers 429"),
        ((200, "{}"), MissingCredential, "no token"),
        ((200, "<html>"), MissingCredential, "no token"),
    ],
)
def test_what_the_token_endpoint_answers_instead(
    tmp_path: Path, answer: tuple[int, Any], kind: type[EmonkError], said: str
) -> None:
    async def main() -> None:
        async with world(tmp_path, []) as w:
            w.tokens.answer = answer
            with pytest.raises(kind, match=said) as caught:
                await w.model.generate(ASKING)
            assert w.tokens.asked == 1  # only the guard repeats
            assert caught.value.__context__ is None
        assert w.server.requests == []

    asyncio.run(main())


def test_errors_of_vertex(tmp_path: Path) -> None:
    async def main() -> None:
        script = [
            fails(429, "Resource exhausted. Please try again later."),
            fails(404, "Publisher Model `x` was not found or your project does not have access to it."),
            fails(403, "Permission 'aiplatform.endpoints.predict' denied"),
            Raw(b"<html>", 404, "text/html"),
        ]
        async with world(tmp_path, script) as w:
            with pytest.raises(RateLimited) as limited:
                await w.model.generate(ASKING)
            assert limited.value.retry_after is None
            with pytest.raises(InvalidConfig, match=r"served in global\?.*known names near it: gemini-"):
                await w.model.generate(ASKING)
            with pytest.raises(MissingCredential, match=r"roles/aiplatform\.user"):
                await w.model.generate(ASKING)
            with pytest.raises(InvalidConfig, match="a web page answered"):
                await w.model.generate(ASKING)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("gemini-2.5-pro", Place("gemini-2.5-pro")),
        ("projects/p/locations/l/publishers/google/models/m", Place("m", "p", "l")),
        ("projects/p/publishers/google/models/m", Place("m", "p")),
        ("locations/l/models/m", Place("m", "", "l")),
        ("models/m", Place("m")),
    ],
)
def test_names_short_and_full(name: str, place: Place) -> None:
    assert read_place(name) == place


@pytest.mark.parametrize("name", ["projects/p", "a/b/c", "projects//models/m", "publishers/anthropic/models/claude"])
def test_names_of_something_else(name: str) -> None:
    with pytest.raises(InvalidConfig, match="names no model of Vertex AI"):
        read_place(name)


def test_addresses() -> None:
    assert address_of("global") == "https://aiplatform.googleapis.com"
    assert address_of("europe-west4") == "https://europe-west4-aiplatform.googleapis.com"


@pytest.mark.parametrize(
    ("section", "spec"),
    [
        ({"model": "gemini-2.5-pro", "project_id": "p"}, "vertex:projects/p/publishers/google/models/gemini-2.5-pro"),
        (
            {"model": "vertex:gemini-2.5-pro", "project_id": "p", "location": "europe-west4"},
            "vertex:projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-pro",
        ),
        ({"model": "vertex:gemini-2.5-pro"}, "vertex:gemini-2.5-pro"),
        ({"model": "gemini-2.5-pro", "location": "l"}, "gemini:gemini-2.5-pro"),
        ({"model": "vertex:projects/q/models/m", "project_id": "p"}, "vertex:projects/q/models/m"),
    ],
)
def test_what_the_section_says_of_the_place(section: dict[str, str], spec: str) -> None:
    assert msgspec.convert(section, LlmSection).specs()["lead"] == spec


def test_the_environment_says_what_the_name_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with TokenServer() as tokens, GeminiServer([says("hi")] * 3, takes=tokens.takes) as server:
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tokens.key_file(tmp_path, project="of-the-key")))
            monkeypatch.setenv("EMONK_VERTEX_BASE_URL", server.base_url)
            for variables, place in (
                ({}, "of-the-key/locations/global"),
                ({"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "europe-west4"}, "p/locations/europe-west4"),
            ):
                for name, value in variables.items():
                    monkeypatch.setenv(name, value)
                model = await asyncio.to_thread(create, "vertex:gemini-2.5-flash")
                await model.generate(ASKING)
                await model.aclose()
                assert server.requests[-1].path.startswith(f"/v1/projects/{place}/publishers/")
                assert model.spec == "vertex:gemini-2.5-flash"

    asyncio.run(main())


class Never:
    """Credentials that nobody asks."""

    project = ""

    def refresh(self) -> tuple[str, float | None]:
        raise AssertionError


@pytest.mark.parametrize(
    ("project", "location", "said"),
    [("", "global", "needs a project"), ("p/q", "global", "no project"), ("p", "eu/../x", "no location")],
)
def test_a_place_that_cannot_be_one(project: str, location: str, said: str) -> None:
    with pytest.raises(InvalidConfig, match=said):
        VertexModel("m", project=project, location=location, credentials=Never())


def without_any(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


def test_a_metadata_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_any(monkeypatch, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("GCE_METADATA_IP", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(MissingCredential, match="no metadata server") as caught:
            DefaultCredentials.find(probes=(0.05, 0.05))
        silent.settimeout(0)
        for _ in range(2):
            silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert "gcloud auth application-default login" in caught.value.hint


@pytest.mark.parametrize("content", ["", "{", "[]", '{"type": "service_account"}', '{"type": "none"}'])
def test_a_key_file_that_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(content)
    with pytest.raises(MissingCredential, match="no credentials for Vertex AI"):
        found_in(path)


def test_a_key_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingCredential, match=r"nowhere\.json"):
        found_in(tmp_path / "nowhere.json")


def test_without_google_auth_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys  # noqa: PLC0415 - of this test only

    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(InvalidConfig, match=r"pip install 'emonk\[gcp\]'"):
        create("vertex:gemini-2.5-flash")


def test_an_api_key_is_none_of_vertex() -> None:
    with pytest.raises(InvalidConfig, match="takes no API key"):
        create("vertex:gemini-2.5-flash", api_key="x")


def test_an_agent_on_vertex_has_a_guard_for_its_location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("agent:\n  name: a\n  llm: {model: gemini-2.5-flash, project_id: p, location: europe-west4}\n")

    async def main() -> None:
        async with TokenServer() as tokens, GeminiServer([says("Hello.")], takes=tokens.takes) as server:
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tokens.key_file(tmp_path)))
            monkeypatch.setenv("EMONK_VERTEX_BASE_URL", server.base_url)
            async with Agent.from_file(file, store=f"sqlite:///{tmp_path}/a.db") as agent:
                reply = await agent.process_message("hi", session_id="s", user_id="u")
                assert (reply.text, reply.status) == ("Hello.", "done")
                assert [each.name for each in agent.guards.status()] == ["vertex:gemini-2.5-flash in europe-west4"]
            assert "/projects/p/locations/europe-west4/" in server.requests[0].path

    asyncio.run(main())


def test_an_agent_without_credentials_says_so_when_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_any(monkeypatch, tmp_path)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("GCE_METADATA_IP", f"127.0.0.1:{closed.getsockname()[1]}")

        async def main() -> None:
            agent = Agent("a", "vertex:gemini-2.5-flash", store=f"sqlite:///{tmp_path}/a.db")
            with pytest.raises(ConfigError, match="no credentials for Vertex AI"):
                await agent.__aenter__()

        asyncio.run(main())


def test_every_recorded_answer_of_vertex(tmp_path: Path, shared_data: Path) -> None:
    rows = [json.loads(line) for line in (shared_data / "gemini.jsonl").read_text().splitlines()]
    rows = [row for row in rows if "/projects/" in row["path"]]
    assert len(rows) > 20

    async def main() -> None:
        script = [Raw(json.dumps(row["response"]).encode(), row["status"]) for row in rows]
        async with world(tmp_path, script) as w:
            for row in rows:
                if row["status"] != 200:
                    with pytest.raises(InvalidConfig, match="Cannot fetch content"):
                        await w.model.generate(ASKING)
                    continue
                response = await w.model.generate(ASKING)
                meta = row["response"]["usageMetadata"]
                assert response.usage.input_tokens + response.usage.output_tokens == meta["totalTokenCount"]
                parts = row["response"]["candidates"][0].get("content", {}).get("parts", [])
                assert response.text == "".join(
                    part["text"] for part in parts if "text" in part and not part.get("thought")
                )
                called = [part["functionCall"]["name"] for part in parts if "functionCall" in part]
                assert [call.name for call in response.tool_calls] == called

    asyncio.run(main())


def test_google_s_own_client_takes_the_stand_in_for_vertex(tmp_path: Path) -> None:
    from google import genai  # noqa: PLC0415 - half a second
    from google.genai import types  # noqa: PLC0415 - as above
    from google.oauth2 import service_account  # noqa: PLC0415 - as above

    def ask(url: str, key: Path) -> tuple[str | None, str]:
        options = types.HttpOptions(base_url=url, api_version="v1", timeout=10_000)
        kind: Any = service_account.Credentials
        credentials = kind.from_service_account_file(str(key), scopes=[SCOPE])
        client: Any = genai.Client(
            vertexai=True, project="p", location="europe-west4", credentials=credentials, http_options=options
        )
        whole = client.models.generate_content(model="gemini-2.5-flash", contents="hi")
        chunks = client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi")
        said = "".join(chunk.text or "" for chunk in chunks)
        client.close()
        return whole.text, said

    async def main() -> None:
        script = [says("one"), stream([says("tw", finish_reason=None), says("o")])]
        async with TokenServer() as tokens, GeminiServer(script, takes=tokens.takes) as server:
            key = tokens.key_file(tmp_path)
            assert await asyncio.to_thread(ask, server.base_url, key) == ("one", "two")
            assert "/v1/projects/p/locations/europe-west4/publishers/google/models/" in server.requests[0].path

    asyncio.run(main())
