"""What an adapter costs in CPU: `python benchmarks/adapters.py`.

A request with 50 messages and 20 tools is written, and its answer, a text and a tool call, is read, as in every step of
a turn: the tools stay the same, the messages are the history of a session. The median of many runs, in milliseconds.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from emonk.messages import Message, Text, ToolCall, assistant, tool_result, user
from emonk.models.anthropic.answer import Asked, response_of
from emonk.models.anthropic.request import RequestWriter as AnthropicWriter
from emonk.models.anthropic.wire import read_object
from emonk.models.gemini.answer import Answer as GeminiAnswer
from emonk.models.gemini.request import RequestWriter as GeminiWriter
from emonk.models.gemini.wire import read_body
from emonk.models.openai.chat_answer import ChatAnswer
from emonk.models.openai.chat_request import ChatWriter
from emonk.models.openai.endpoint import BASE_URL, endpoint_of
from emonk.models.openai.responses_answer import ResponsesAnswer
from emonk.models.openai.responses_request import ResponsesWriter
from emonk.models.protocol import ModelRequest, ModelResponse, ToolSchema
from emonk.testing import anthropic_answers, gemini_answers, openai_answers

RUNS = 2000
TARGET = 0.4
"""Milliseconds of CPU."""

TEXT = "The weather in Paris is sunny, with 22 degrees and a light wind from the west. " * 4
ARGUMENTS = {"city": "Paris", "days": [1, 2, 3], "units": "metric", "detail": {"wind": True, "rain": True}}
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "The name of the city."},
        "days": {"type": "array", "items": {"type": "integer"}, "description": "Which days, from today."},
        "units": {"type": "string", "enum": ["metric", "imperial"]},
        "detail": {"type": "object", "properties": {"wind": {"type": "boolean"}, "rain": {"type": "boolean"}}},
    },
    "required": ["city"],
}
TOOLS = tuple(ToolSchema(f"get_weather_{number}", "Tells the weather of a city.", PARAMETERS) for number in range(20))

Step = Callable[[ModelRequest], ModelResponse]


def conversation() -> list[Message]:
    """50 messages: what a user said, a call with its result, an answer, and so on; the user's is the last."""
    said: list[Message] = []
    for number in range(13):
        call = ToolCall(f"call_{number}", "get_weather_3", ARGUMENTS)
        said += [
            user(TEXT),
            assistant([Text("Let me see.")], tool_calls=[call]),
            tool_result(call, TEXT),
            assistant(TEXT),
        ]
    return [*said[:49], user("And tomorrow?")]


def gemini() -> Step:
    writer = GeminiWriter()
    parts = [{"text": TEXT}, gemini_answers.calls("get_weather_3", ARGUMENTS)]
    raw = msgspec.json.encode(gemini_answers.body(*parts))

    def step(request: ModelRequest) -> ModelResponse:
        writer.write(request)
        answer = GeminiAnswer("m")
        answer.add(read_body(raw))
        return answer.response()

    return step


def chat() -> Step:
    writer = ChatWriter("gpt-4o", endpoint_of("gpt-4o", BASE_URL, "chat"))
    raw = msgspec.json.encode(openai_answers.message(TEXT, openai_answers.call("get_weather_3", ARGUMENTS)))

    def step(request: ModelRequest) -> ModelResponse:
        answer = ChatAnswer("m", "openai", writer.write(request).names)
        answer.whole(raw)
        return answer.response()

    return step


def responses() -> Step:
    writer = ResponsesWriter("o3", endpoint_of("o3", BASE_URL, "responses"))
    items = [openai_answers.item(TEXT), openai_answers.item_call("get_weather_3", ARGUMENTS)]
    raw = msgspec.json.encode(openai_answers.response(*items))

    def step(request: ModelRequest) -> ModelResponse:
        answer = ResponsesAnswer("m", "openai-responses", writer.write(request).names)
        answer.whole(raw)
        return answer.response()

    return step


def anthropic() -> Step:
    writer = AnthropicWriter("claude-sonnet-4-5")
    blocks = [anthropic_answers.text(TEXT), anthropic_answers.calls("get_weather_3", ARGUMENTS)]
    raw = msgspec.json.encode(anthropic_answers.message(*blocks))

    def step(request: ModelRequest) -> ModelResponse:
        writer.write(request)
        return response_of(read_object(raw, model="m"), Asked("m", writer.original_names))

    return step


ADAPTERS: Mapping[str, Callable[[], Step]] = {
    "gemini": gemini,
    "openai": chat,
    "openai-responses": responses,
    "anthropic": anthropic,
}
"""A line for each way that `emonk.models.create` can speak to a provider."""


def milliseconds(step: Step, request: ModelRequest) -> float:
    """The median of the CPU of one step."""
    taken: list[float] = []
    for _ in range(RUNS):
        begin = time.process_time_ns()
        step(request)
        taken.append((time.process_time_ns() - begin) / 1e6)
    return statistics.median(taken)


def main() -> None:
    request = ModelRequest(conversation(), TOOLS, instructions=TEXT)
    assert len(request.messages) == 50
    gc.disable()
    print(f"one request of 50 messages and 20 tools, and its answer: at most {TARGET} ms of CPU")
    for name, adapter in ADAPTERS.items():
        step = adapter()
        answered = step(request)
        assert answered.text == TEXT
        assert answered.tool_calls[0].arguments == ARGUMENTS
        taken = milliseconds(step, request)
        print(f"  {name:18}{taken:7.3f} ms{'' if taken <= TARGET else '  above the target'}")


if __name__ == "__main__":
    main()
