"""Cassettes over real HTTP: what was recorded is what is answered, without network, keys or secrets."""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from emonk import Agent, tool
from emonk.costs import Budgets
from emonk.errors import EmonkError, InvalidConfig, RateLimited, Unavailable
from emonk.messages import assistant, tool_result, user
from emonk.models import create
from emonk.models.cassette.canonical import canonical
from emonk.models.cassette.cassette import Cassette
from emonk.models.cassette.current import inserted
from emonk.models.gemini.errors import read_failure
from emonk.models.http import HttpClient
from emonk.models.protocol import Model, ModelRequest, ModelResponse, TextDelta, ToolSchema
from emonk.store.usage_protocol import UsageFilter
from emonk.testing import anthropic_answers, openai_answers
from emonk.testing.answers import Answer, Chunks, Drop, Raw
from emonk.testing.anthropic import AnthropicServer
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import body, calls, rate_limited, says, stream
from emonk.testing.google_tokens import TokenServer
from emonk.testing.openai import OpenAIServer

SECRET = "AIza-a-secret-of-this-machine"
ASKING = ModelRequest([user("hi")])


async def asked(model: Model, request: ModelRequest = ASKING) -> str:
    response = await model.generate(request)
    return response.text


async def streamed(model: Model, request: ModelRequest = ASKING) -> list[Any]:
    return [piece async for piece in model.stream(request)]


Work = Callable[[Model], Any]


def recorded(folder: Path, script: Sequence[Answer], work: Work, spec: str = "gemini:gemini-2.5-flash") -> Any:
    async def main() -> Any:
        async with GeminiServer(script) as server:
            with inserted(Cassette(folder, record=True, secrets=[SECRET])):
                model = create(spec, api_key=SECRET, base_url=server.base_url)
            try:
                return await work(model)
            finally:
                await model.aclose()

    return asyncio.run(main())


def replayed(folder: Path, work: Work, spec: str = "gemini:gemini-2.5-flash") -> Any:
    async def main() -> Any:
        with inserted(Cassette(folder, record=False)):
            model = create(spec)
        try:
            return await work(model)
        finally:
            await model.aclose()

    return asyncio.run(main())


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_answer_comes_again_without_network_and_key(tmp_path: Path) -> None:
    assert recorded(tmp_path, [says("Hello.")], asked) == "Hello."
    assert replayed(tmp_path, asked) == "Hello."
    (name,) = files(tmp_path)
    assert name.startswith("gemini-2.5-flash-")
    assert name.endswith("-001.json")
    written = json.loads((tmp_path / name).read_text())
    assert written["request"]["contents"][0]["parts"] == [{"text": "hi"}]
    assert (written["provider"], written["status"]) == ("gemini", 200)
    assert written["path"] == "/v1beta/models/gemini-2.5-flash:generateContent"


def test_names_are_the_same_in_each_recording(tmp_path: Path) -> None:
    for folder in ("one", "two", "two"):
        recorded(tmp_path / folder, [says("Hello.")], asked)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_stream_comes_in_the_pieces_it_came_in(tmp_path: Path) -> None:
    pieces = stream([says("Grü", finish_reason=None), says("ße.")], size=7)
    before = recorded(tmp_path, [pieces], streamed)
    after = replayed(tmp_path, streamed)
    texts = [piece.text for piece in after if isinstance(piece, TextDelta)]
    assert texts == [piece.text for piece in before if isinstance(piece, TextDelta)] == ["Grü", "ße."]
    assert isinstance(after[-1], ModelResponse)
    (name,) = files(tmp_path)
    assert "".join(json.loads((tmp_path / name).read_text())["text"]) == b"".join(pieces.pieces).decode()


@pytest.mark.parametrize("answer", [Raw(b"\xff\xfe", 500), Raw(b"<html>down</html>", 503, "text/html"), Raw(b"", 500)])
def test_what_is_no_json_comes_again_as_the_same_error(tmp_path: Path, answer: Raw) -> None:
    async def fails(model: Model) -> str:
        with pytest.raises(Unavailable) as caught:
            await model.generate(ASKING)
        return str(caught.value)

    assert recorded(tmp_path, [answer], fails) == replayed(tmp_path, fails)


def test_errors_come_again_with_what_they_ask_for(tmp_path: Path) -> None:
    async def limited(model: Model) -> tuple[float | None, str]:
        with pytest.raises(RateLimited) as caught:
            await model.generate(ASKING)
        return caught.value.retry_after, await asked(model)

    script = [rate_limited(7), says("Now.")]
    assert recorded(tmp_path, script, limited) == replayed(tmp_path, limited) == (7.0, "Now.")


def test_a_header_that_names_a_wait_is_kept_and_no_other(tmp_path: Path) -> None:
    answer = Raw(b'{"error": {"code": 429, "message": "no"}}', 429, headers={"Retry-After": "9", "Set-Cookie": "a=b"})

    async def limited(model: Model) -> float | None:
        with pytest.raises(RateLimited) as caught:
            await model.generate(ASKING)
        return caught.value.retry_after

    assert recorded(tmp_path, [answer], limited) == replayed(tmp_path, limited) == 9.0
    written = json.loads((tmp_path / files(tmp_path)[0]).read_text())
    assert sorted(written["headers"]) == ["content-type", "retry-after"]


def test_repeated_requests_are_answered_in_order_and_then_by_the_last(tmp_path: Path) -> None:
    async def thrice(model: Model) -> list[str]:
        return [await asked(model) for _ in range(3)]

    async def five(model: Model) -> list[str]:
        return [await asked(model) for _ in range(5)]

    assert recorded(tmp_path, [says("a"), says("b"), says("c")], thrice) == ["a", "b", "c"]
    assert replayed(tmp_path, five) == ["a", "b", "c", "c", "c"]
    recorded(tmp_path, [says("z")], asked)
    assert replayed(tmp_path, thrice) == ["z", "z", "z"]  # a new recording leaves nothing of the old


def test_no_file_holds_a_secret(tmp_path: Path) -> None:
    token = "sk-" + "x" * 40
    request = ModelRequest([user(f"my key is {SECRET}, hers {token}, see https://h/?key=abc")])

    async def tell(model: Model) -> str:
        return await asked(model, request)

    assert SECRET in recorded(tmp_path, [says(f"So {SECRET} and {token}.")], tell)
    text = "".join(path.read_text() for path in tmp_path.iterdir())
    assert SECRET not in text
    assert token not in text
    assert "key=abc" not in text
    with inserted(Cassette(tmp_path, record=False, secrets=[SECRET])):
        model = create("gemini:gemini-2.5-flash")
    assert asyncio.run(tell(model)) == "So *** and ***."


def test_secrets_of_the_environment_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PASSWORD", "correct horse")
    monkeypatch.setenv("SHORT_KEY", "a")
    assert Cassette(tmp_path, record=True).redact("a correct horse") == "a ***"


def test_what_was_not_recorded_is_told_with_the_nearest_and_what_differs(tmp_path: Path) -> None:
    async def both(model: Model) -> None:
        await asked(model)
        await asked(model, ModelRequest([user("hi"), assistant("Hello."), user("Weather?")], instructions="Be brief."))

    recorded(tmp_path, [says("Hello."), says("Rain.")], both)

    async def another(model: Model) -> EmonkError:
        with pytest.raises(InvalidConfig) as caught:
            await asked(model, ModelRequest([user("hi"), assistant("Hello."), user("News?")], instructions="Be brief."))
        return caught.value

    error = replayed(tmp_path, another)
    assert error.code == "not_recorded"
    assert 'where contents[2].parts[0].text is "News?", not "Weather?"' in error.message
    assert any(name in error.message for name in files(tmp_path))
    assert error.hint == "record it with --record"


def test_ids_that_were_made_up_may_differ(tmp_path: Path) -> None:
    weather = ToolSchema("weather", "", {"type": "object"})

    async def turn(model: Model) -> str:
        first = await model.generate(ModelRequest([user("Weather?")], tools=(weather,)))
        history = [user("Weather?"), first.message, tool_result(first.tool_calls[0], "rain")]
        return await asked(model, ModelRequest(history, tools=(weather,)))

    script = [body(calls("weather")), says("It rains.")]
    assert recorded(tmp_path, script, turn) == replayed(tmp_path, turn) == "It rains."


def test_made_up_ids_are_numbered_and_others_are_not() -> None:
    one, other = "019f0000-0000-7000-8000-000000000001", "019f0000-0000-7000-8000-000000000002"

    def digest(*ids: str) -> str:
        return canonical("p", "/x", {"ids": list(ids), "n": [1, None, True, 0.5]}).digest

    assert digest(one, other, one) == digest(other, one, other)
    assert digest(one, one) != digest(one, other)
    assert digest("call_abc") != digest("call_abd")
    path = "/v1/projects/{}/locations/global/publishers/google/models/m:generateContent"
    assert canonical("v", path.format("p"), {}).digest == canonical("v", path.format("q"), {}).digest


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"version": 1}', '{"version": 2, "provider": "", "path": "", "request": {}, "status": 200}',
     '{"version": 1, "provider": "", "path": "", "request": {}, "status": 200}',
     '{"version": 1, "provider": "", "path": "", "request": {}, "status": 200, "encoded": ["!"]}',
     '{"version": 1, "provider": "", "path": "", "request": {}, "status": 9, "body": 1}'],
)  # fmt: skip
def test_a_broken_file_is_told_by_its_path(tmp_path: Path, content: str) -> None:
    recorded(tmp_path, [says("Hello.")], asked)
    broken = tmp_path / "broken.json"
    broken.write_text(content)
    with pytest.raises(InvalidConfig, match=str(broken)):
        Cassette(tmp_path, record=False)


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_a_file_that_is_nested_too_deep_is_told_by_its_path(tmp_path: Path, begin: str, end: str) -> None:
    deep = begin * 990 + "1" + end * 990
    said = f'{{"provider": "p", "path": "/x", "request": {deep}, "status": 200, "body": 1}}'
    (tmp_path / "deep.json").write_text(said)
    with pytest.raises(InvalidConfig, match=r"deep\.json is no recording: .*(nested|recursion)"):
        Cassette(tmp_path, record=False)


def test_what_is_no_file_is_no_recording(tmp_path: Path) -> None:
    recorded(tmp_path, [says("Hello.")], asked)
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    assert replayed(tmp_path, asked) == "Hello."


def test_a_key_that_no_variable_holds_is_struck(tmp_path: Path) -> None:
    key = "a-key-of-nobody"

    async def main() -> None:
        async with OpenAIServer([openai_answers.message(f"Your key is {key}.")]) as server:
            with inserted(Cassette(tmp_path, record=True, secrets=[])):
                model = create("openai:gpt-4o", api_key=key, base_url=server.base_url)
            await asked(model, ModelRequest([user(f"my key is {key}")]))
            await model.aclose()

    asyncio.run(main())
    (path,) = tmp_path.iterdir()
    assert key not in path.read_text()
    assert "my key is ***" in path.read_text()
    with inserted(Cassette(tmp_path, record=False, secrets=[])):
        model = create("openai:gpt-4o", api_key=key, base_url="http://127.0.0.1:9/v1")
    assert asyncio.run(asked(model, ModelRequest([user(f"my key is {key}")]))) == "Your key is ***."


class OneToken:
    """A bearer with one token."""

    async def token(self) -> str:
        return "an-opaque.token"

    def accepted(self, token: str) -> None:
        assert token

    def refused(self, token: str) -> None:
        assert token


def test_a_token_that_the_server_echoes_is_struck(tmp_path: Path) -> None:
    async def main() -> None:
        async with GeminiServer([says("You sent an-opaque.token")], takes=lambda _: True) as server:
            with inserted(Cassette(tmp_path, record=True, secrets=[])):
                client = HttpClient(
                    server.base_url,
                    headers={},
                    secret="",
                    silence=5,
                    read_error=partial(read_failure, model="m"),
                    bearer=OneToken(),
                )
            await client.post("/v1beta/models/m:generateContent", b'{"contents": [{"parts": [{"text": "hi"}]}]}')
            await client.aclose()

    asyncio.run(main())
    (path,) = tmp_path.iterdir()
    assert "You sent ***" in path.read_text()
    assert "an-opaque.token" not in path.read_text()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="No such file"):
        Cassette(tmp_path / "nowhere", record=False)
    with pytest.raises(InvalidConfig, match="nothing is recorded in"):
        Cassette(tmp_path, record=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidConfig, match="cannot record to"):
        Cassette(tmp_path / "file" / "below", record=True)


@pytest.mark.parametrize("answer", [Drop(), Chunks([b"data: {}"], drop=True)])
def test_what_broke_off_is_not_recorded(tmp_path: Path, answer: Answer) -> None:
    async def breaks(model: Model) -> None:
        with pytest.raises(Unavailable):
            await streamed(model)

    recorded(tmp_path, [answer], breaks)
    assert files(tmp_path) == []


def test_a_recording_that_fails_leaves_the_older_one(tmp_path: Path) -> None:
    async def thrice(model: Model) -> list[str]:
        return [await asked(model) for _ in range(3)]

    async def breaks(model: Model) -> None:
        with pytest.raises(Unavailable):
            await asked(model)

    async def breaks_once(model: Model) -> str:
        await breaks(model)
        return await asked(model)

    recorded(tmp_path, [says("a"), says("b"), says("c")], thrice)
    recorded(tmp_path, [Drop()], breaks)
    assert replayed(tmp_path, thrice) == ["a", "b", "c"]
    recorded(tmp_path, [Drop(), says("z")], breaks_once)
    assert replayed(tmp_path, thrice) == ["z", "z", "z"]


def test_a_cassette_that_is_taken_out_is_out(tmp_path: Path) -> None:
    with inserted(Cassette(tmp_path, record=True)):
        pass
    with pytest.raises(EmonkError, match="no API key"):
        create("gemini:gemini-2.5-flash")


def test_vertex_needs_no_credentials_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with TokenServer() as tokens, GeminiServer([says("Hello.")], takes=tokens.takes) as server:
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tokens.key_file(tmp_path)))
            with inserted(Cassette(tmp_path / "cassette", record=True)):
                model = await asyncio.to_thread(create, "vertex:gemini-2.5-flash", base_url=server.base_url)
            assert await asked(model) == "Hello."
            await model.aclose()

    asyncio.run(main())
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    assert replayed(tmp_path / "cassette", asked, "vertex:gemini-2.5-flash") == "Hello."
    assert "token-1" not in "".join(path.read_text() for path in (tmp_path / "cassette").iterdir())


@tool(risk="low")
async def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: where.
    """
    return f"rain in {city}"


SERVERS: dict[str, tuple[Callable[..., Any], Any]] = {
    "gemini:gemini-2.5-flash": (GeminiServer, stream([says("Hello "), says("you.")])),
    "openai:gpt-4o": (OpenAIServer, openai_answers.message("Hello you.")),
    "openai-responses:o3": (OpenAIServer, openai_answers.response(openai_answers.item("Hello you."))),
    "anthropic:claude-sonnet-4-5": (AnthropicServer, anthropic_answers.says("Hello you.")),
}


@pytest.mark.parametrize("spec", SERVERS)
def test_streams_of_every_provider_come_again(tmp_path: Path, spec: str) -> None:
    make_server, said = SERVERS[spec]

    async def record() -> tuple[str, list[Any]]:
        async with make_server([said]) as server:
            with inserted(Cassette(tmp_path, record=True)):
                model = create(spec, api_key=SECRET, base_url=server.base_url)
            pieces = await streamed(model)
            await model.aclose()
            return server.base_url, pieces

    base_url, before = asyncio.run(record())
    assert before[-1].text == "Hello you."
    with inserted(Cassette(tmp_path, record=False)):
        assert asyncio.run(streamed(create(spec, base_url=base_url))) == before


def test_an_agent_s_turn_comes_again_and_is_billed_as_a_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def turn(
        name: str, budgets: Budgets | None = None
    ) -> tuple[str, Decimal | None, list[tuple[str, int, Decimal | None]]]:
        store = f"sqlite:///{tmp_path}/{name}.db"
        agent = Agent("a", "gemini:gemini-2.5-flash", tools=[weather], store=store, budgets=budgets)
        async with agent:
            reply = await agent.process_message("Weather in Paris?", session_id="s", user_id="u")
            rows = await agent.store.usage_rows(UsageFilter(agent="a"))
            return reply.text, reply.cost_usd, [(row.purpose, row.usage.input_tokens, row.cost_usd) for row in rows]

    async def main() -> None:
        script = [body(calls("weather", {"city": "Paris"})), says("Rain in Paris.")]
        async with GeminiServer(script) as server:
            monkeypatch.setenv("EMONK_GEMINI_BASE_URL", server.base_url)
            monkeypatch.setenv("GEMINI_API_KEY", SECRET)
            with inserted(Cassette(tmp_path / "cassette", record=True)):
                text, cost, rows = await turn("recorded")
        assert text == "Rain in Paris."
        assert cost
        assert [row[0] for row in rows] == ["turn", "turn"]
        monkeypatch.delenv("EMONK_GEMINI_BASE_URL")
        monkeypatch.delenv("GEMINI_API_KEY")
        with inserted(Cassette(tmp_path / "cassette", record=False)):
            again, free, marked = await turn("replayed", Budgets(user_day_usd=Decimal("0.0000001")))
        assert (again, free) == (text, 0)
        assert marked == [("replay", 10, 0), ("replay", 10, 0)]

    asyncio.run(main())
