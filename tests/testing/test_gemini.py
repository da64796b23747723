"""The Gemini stand-in, held against Google's own client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

import aiohttp
import pytest
from google import genai
from google.genai import errors, types

from emonk.testing.answers import Chunks, Drop, Raw, SeenRequest
from emonk.testing.gemini import GeminiServer, held
from emonk.testing.gemini_answers import body, calls, fails, quota_exhausted, rate_limited, says, stream

MODEL = "gemini-2.0-flash"

# google-genai derives a class from aiohttp's ClientSession, which aiohttp warns of.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


class Models(Protocol):
    """The part of Google's client that is used here; its own annotations name types that are not there."""

    async def generate_content(
        self, *, model: str, contents: str, config: types.GenerateContentConfig | None = None
    ) -> types.GenerateContentResponse: ...
    async def generate_content_stream(
        self, *, model: str, contents: str
    ) -> AsyncIterator[types.GenerateContentResponse]: ...


@asynccontextmanager
async def official(server: GeminiServer) -> AsyncGenerator[Models]:
    client = genai.Client(api_key="test-key", http_options=types.HttpOptions(base_url=server.base_url)).aio
    async with client:
        yield cast("Models", client.models)


async def post(
    server: GeminiServer, payload: Any, *, method: str = "generateContent", key: str = "k"
) -> tuple[int, Any]:
    url = f"{server.base_url}/v1beta/models/{MODEL}:{method}"
    headers = {"x-goog-api-key": key} if key else {}
    async with aiohttp.ClientSession() as session, session.post(url, json=payload, headers=headers) as response:
        return response.status, await response.json()


def asking(text: str = "hi") -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def test_the_official_client_reads_text_and_usage() -> None:
    async def main() -> None:
        usage = {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}
        async with GeminiServer([says("It rains.", usage=usage)]) as server, official(server) as models:
            answer = await models.generate_content(model=MODEL, contents="Weather?")
        assert answer.text == "It rains."
        assert answer.candidates
        assert answer.candidates[0].finish_reason is types.FinishReason.STOP
        assert answer.usage_metadata
        assert answer.usage_metadata.total_token_count == 10
        assert server.requests[0].model == MODEL
        assert server.requests[0].body["contents"][0]["parts"][0]["text"] == "Weather?"

    asyncio.run(main())


@pytest.mark.parametrize("size", [None, 1, 7])
def test_the_official_client_reads_a_stream(size: int | None) -> None:
    async def main() -> None:
        pieces = [says("It rä", finish_reason=None), says("ins.")]
        async with GeminiServer([stream(pieces, size=size)]) as server, official(server) as models:
            chunks = await models.generate_content_stream(model=MODEL, contents="Weather?")
            assert [chunk.text async for chunk in chunks] == ["It rä", "ins."]
        assert server.requests[0].streaming

    asyncio.run(main())


def test_the_official_client_calls_functions_by_itself() -> None:
    async def get_weather(city: str) -> str:
        """Tell the weather."""
        return f"rain in {city}"

    async def main() -> None:
        script = [body(calls("get_weather", {"city": "Paris"}, signature="c2ln")), says("It rains in Paris.")]
        async with GeminiServer(script) as server, official(server) as models:
            answer = await models.generate_content(
                model=MODEL, contents="Weather?", config=types.GenerateContentConfig(tools=[get_weather])
            )
        assert answer.text == "It rains in Paris."
        _, call, response = server.requests[1].body["contents"]
        assert call["parts"][0]["thoughtSignature"] == "c2ln"
        assert response["parts"][0]["functionResponse"]["response"] == {"result": "rain in Paris"}

    asyncio.run(main())


def test_the_official_client_sees_google_s_errors() -> None:
    async def main() -> None:
        script = [rate_limited(3), quota_exhausted(), fails(503, "The model is overloaded.")]
        async with GeminiServer(script) as server, official(server) as models:
            for status, word in ((429, "RESOURCE_EXHAUSTED"), (429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE")):
                with pytest.raises(errors.APIError) as caught:
                    await models.generate_content(model=MODEL, contents="hi")
                assert (caught.value.code, caught.value.status) == (status, word)

    asyncio.run(main())


def test_a_key_is_asked_for_and_checked() -> None:
    async def main() -> None:
        async with GeminiServer([says("hi")], api_key="right") as server:
            assert (await post(server, asking(), key=""))[0] == 403
            status, answer = await post(server, asking(), key="wrong")
            assert (status, answer["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")
            assert (await post(server, asking(), key="right"))[0] == 200
        assert (len(server.requests), len(server.refused)) == (1, 2)

    asyncio.run(main())


CALL: dict[str, Any] = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
USER: dict[str, Any] = {"role": "user", "parts": [{"text": "hi"}]}


def response(*names: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"functionResponse": {"name": name, "response": {}}} for name in names]}


def declaring(*declarations: dict[str, Any]) -> dict[str, Any]:
    return {**asking(), "tools": [{"functionDeclarations": list(declarations)}]}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "contents is not specified"),
    ({"contents": []}, "contents is not specified"),
    ({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}, "valid role"),
    ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
    ({"contents": [{"role": "user", "parts": [{"txt": "a"}]}]}, 'Unknown name "txt"'),
    ({"contents": [{"role": "user", "parts": [{"thought": True}]}]}, "one initialized field"),
    ({"contents": [{"parts": [{"text": "a", "thoughtSignature": "%"}]}]}, "Base64 decoding failed"),
    ({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "%"}}]}]}, "Base64 decoding failed"),
    ({"contents": [USER, response("f")]}, "immediately after a function call turn"),
    ({"contents": [USER, CALL]}, "followed by a function response"),
    ({"contents": [USER, CALL, USER]}, "number of function response parts"),
    ({"contents": [USER, CALL, response("f", "f")]}, "number of function response parts"),
    ({"contents": [USER, CALL, response("g")]}, "names of function responses"),
    ({"contents": [USER, {"role": "model", "parts": [{"text": "a"}]}, CALL, response("f")]}, "after a user turn"),
    ({**asking(), "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "without function_declarations"),
    (declaring({"name": "1 f"}), "Invalid function name"),
    (declaring({"name": "f"}, {"name": "f"}), "Duplicate"),
    (
        declaring({"name": "f", "parameters": {"type": "OBJECT"}, "parametersJsonSchema": {"type": "object"}}),
        "mutually exclusive",
    ),
    ({**asking(), "generationConfig": {"maxOutputTokens": 0}}, "must be positive"),
    ({**asking(), "generationConfig": {"temperature": 3}}, "temperature"),
]


@pytest.mark.parametrize(("payload", "said"), REFUSED)
def test_requests_against_the_rules_are_refused(payload: dict[str, Any], said: str) -> None:
    async def main() -> None:
        async with GeminiServer([says("never")]) as server:
            status, answer = await post(server, payload)
        assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert said in answer["error"]["message"]
        assert server.requests == []

    asyncio.run(main())


def test_other_paths_and_broken_json_are_refused() -> None:
    async def main() -> None:
        async with GeminiServer([]) as server, aiohttp.ClientSession() as session:
            async with session.get(server.base_url + "/v1beta/models") as answer:
                assert answer.status == 404
            url = f"{server.base_url}/v1beta/models/m:generateContent"
            async with session.post(url, data=b"{", headers={"x-goog-api-key": "k"}) as answer:
                assert answer.status == 400

    asyncio.run(main())


def test_a_used_up_script_says_so() -> None:
    async def main() -> None:
        async with GeminiServer([]) as server:
            status, answer = await post(server, asking())
        assert status == 500
        assert "has 0 answers" in answer["error"]["message"]

    asyncio.run(main())


def test_an_answer_can_be_held_until_an_event() -> None:
    async def main() -> None:
        go = asyncio.Event()
        async with GeminiServer([held(says("late"), go)]) as server:
            waiting = asyncio.create_task(post(server, asking()))
            await server.wait_for_requests()
            assert not waiting.done()
            go.set()
            assert (await waiting)[0] == 200

    asyncio.run(main())


def test_a_function_of_the_request_can_answer_always() -> None:
    async def main() -> None:
        def echo(seen: SeenRequest) -> dict[str, Any]:
            return says(seen.body["contents"][0]["parts"][0]["text"])

        async with GeminiServer(echo) as server:
            for word in ("one", "two"):
                _, answer = await post(server, asking(word))
                assert answer["candidates"][0]["content"]["parts"] == [{"text": word}]

    asyncio.run(main())


@pytest.mark.parametrize(
    "answer", [Drop(), Drop(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), Chunks([b"data"], drop=True)]
)
def test_connections_can_be_dropped(answer: Drop | Chunks) -> None:
    async def main() -> None:
        async with GeminiServer([answer, says("alive")]) as server:
            with pytest.raises(aiohttp.ClientError):
                await post(server, asking())
            assert (await post(server, asking()))[0] == 200

    asyncio.run(main())


def test_raw_bytes_are_sent_as_they_are() -> None:
    async def main() -> None:
        async with GeminiServer([Raw(b'{"x": 1}', 418, headers={"Retry-After": "2"})]) as server:
            assert await post(server, asking()) == (418, {"x": 1})

    asyncio.run(main())
