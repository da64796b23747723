"""The scripted model: what is written is what is said."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from emonk.errors import Unavailable
from emonk.messages import AssistantMessage, Message, Text, Thinking, assistant, user
from emonk.models.protocol import Model, ModelRequest, ModelResponse, Outcome, TextDelta, ThinkingDelta
from emonk.records import Usage
from emonk.testing.model import BrokenOff, ScriptedModel, answer, call

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def asking(text: str = "hi") -> ModelRequest:
    return ModelRequest([user(text)])


async def streamed(model: Model, request: ModelRequest) -> list[Any]:
    return [piece async for piece in model.stream(request)]


def test_answers_come_in_the_order_of_the_script() -> None:
    async def main() -> None:
        weather = call("get_weather", city="Paris")
        model = ScriptedModel([weather, [weather, call("now")], "It rains.", assistant("Bye."), ""])
        first = await model.generate(asking())
        assert (first.outcome, first.tool_calls) == (Outcome.TOOL_CALLS, (weather,))
        assert [one.name for one in (await model.generate(asking())).tool_calls] == ["get_weather", "now"]
        assert (await model.generate(asking())).text == "It rains."
        assert (await model.generate(asking())).text == "Bye."
        assert (await model.generate(asking())).outcome is Outcome.EMPTY
        assert model.remaining == 0

    run(main())


def test_a_whole_response_is_given_as_it_is() -> None:
    whole = answer("cut", outcome=Outcome.TRUNCATED, finish_reason="MAX_TOKENS", usage=Usage(1, 2))
    assert run(ScriptedModel([whole]).generate(asking())) is whole


def test_errors_of_the_script_are_raised() -> None:
    with pytest.raises(Unavailable, match="down"):
        run(ScriptedModel([Unavailable("down")]).generate(asking()))


def test_functions_of_the_request_answer_plain_or_awaited() -> None:
    async def main() -> None:
        async def slow(request: ModelRequest) -> str:
            await asyncio.sleep(0)
            return f"slow {len(request.messages)}"

        model = ScriptedModel([lambda request: f"{len(request.messages)} message", slow])
        assert (await model.generate(asking())).text == "1 message"
        assert (await model.generate(asking())).text == "slow 1"

    run(main())


def test_one_function_answers_for_ever() -> None:
    async def main() -> None:
        def echo(request: ModelRequest) -> AssistantMessage:
            return assistant(getattr(request.messages[-1], "text", ""))

        model = ScriptedModel(echo, spec="echo")
        assert model.spec == "echo"
        assert [(await model.generate(asking(text))).text for text in "abc"] == ["a", "b", "c"]

    run(main())


def test_requests_are_kept_as_they_were() -> None:
    async def main() -> None:
        model = ScriptedModel(["a", "b"])
        messages: list[Message] = [user("one")]
        await model.generate(ModelRequest(messages))
        messages.append(user("two"))
        await model.generate(ModelRequest(messages))
        assert [len(request.messages) for request in model.requests] == [1, 2]

    run(main())


def test_a_used_up_script_says_so() -> None:
    async def main() -> None:
        model = ScriptedModel(["only"])
        await model.generate(asking())
        with pytest.raises(AssertionError, match=r"has 1 answers, call 2 asked for more.*again"):
            await model.generate(asking("again"))

    run(main())


def test_a_stream_gives_words_then_the_whole() -> None:
    message = assistant([Thinking("let me see"), Text("It  rains\nin Paris.")])
    pieces = run(streamed(ScriptedModel([message]), asking()))
    *deltas, last = pieces
    assert "".join(piece.text for piece in deltas if isinstance(piece, TextDelta)) == "It  rains\nin Paris."
    assert "".join(piece.text for piece in deltas if isinstance(piece, ThinkingDelta)) == "let me see"
    assert len(deltas) == 7
    assert isinstance(last, ModelResponse)
    assert last.message == message


def test_a_stream_can_break_off_after_its_first_words() -> None:
    async def main() -> None:
        model = ScriptedModel([BrokenOff("half an ans", Unavailable("cut")), BrokenOff("x", Unavailable("cut"))])
        pieces = model.stream(asking())
        assert [await anext(pieces) for _ in range(3)] == [TextDelta("half "), TextDelta("an "), TextDelta("ans")]
        with pytest.raises(Unavailable, match="cut"):
            await anext(pieces)
        with pytest.raises(Unavailable, match="cut"):
            await model.generate(asking())

    run(main())


def test_closing_is_noticed() -> None:
    model = ScriptedModel([])
    run(model.aclose())
    assert model.closed
