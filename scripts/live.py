"""A small set of calls to the real providers whose keys are in the environment: `make test-live`.

Each provider is asked a few short questions by a cheap model: an answer, a forced tool call and its result, a stream, a
conversation that is summarised, and whether what emonk bills is what the provider's own usage costs. Each costs less
than a cent. `EMONK_LIVE_MODELS`, model strings with commas between, asks others. Providers without a key are skipped.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec

from emonk import Agent
from emonk.costs import cost_of, price
from emonk.errors import EmonkError
from emonk.messages import tool_result, user
from emonk.models import Model, create
from emonk.models.cassette.cassette import Cassette
from emonk.models.cassette.current import inserted
from emonk.models.cassette.recording import Recording, read
from emonk.models.protocol import ModelRequest, ModelResponse, Outcome, TextDelta, ToolSchema
from emonk.models.specs import PRICED_AS
from emonk.runtime.compression.section import ContextSection
from emonk.store.usage_protocol import UsageFilter

MODELS = (
    "gemini:gemini-3.5-flash-lite",
    "vertex:gemini-3.5-flash-lite",
    "openai:gpt-4.1-mini",
    "openai-responses:gpt-5.6-luna",
    "anthropic:claude-haiku-4-5",
)
NEEDS: Mapping[str, tuple[str, ...]] = {
    "gemini": ("GEMINI_API_KEY",),
    "vertex": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"),
    "openai": ("OPENAI_API_KEY",),
    "openai-responses": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
}
"""One of these is set where the provider can be asked."""

PATIENCE = 120.0
"""Seconds for one check."""

OFF = Decimal("0.005")
"""How far a bill may be from what the provider's own usage costs, as a share of it."""

WEATHER = ToolSchema(
    "get_weather",
    "Tells the weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
HELLO = ModelRequest([user("Say hello in one word.")], max_output_tokens=2000)


class Wrong(Exception):
    """A provider answered, and not as it should."""


def expect(true: object, what: str) -> None:
    """Go on only if something is so.

    Raises:
        Wrong: it is not.
    """
    if not true:
        raise Wrong(what)


@asynccontextmanager
async def opened(spec: str) -> AsyncGenerator[Model]:
    """A model, for one check."""
    model = await asyncio.to_thread(create, spec)
    try:
        yield model
    finally:
        await model.aclose()


async def generate(spec: str) -> str:
    """A whole answer."""
    async with opened(spec) as model:
        response = await model.generate(HELLO)
    expect(response.text.strip(), "the answer has no text")
    expect(response.outcome is Outcome.COMPLETE, f"its outcome is {response.outcome}")
    expect(response.usage.input_tokens and response.usage.output_tokens, "it says no usage")
    return f"{response.text.strip()[:40]!r}"


async def tools(spec: str) -> str:
    """A forced call, and an answer from its result."""
    asked = user("How is the weather in Paris?")
    async with opened(spec) as model:
        first = await model.generate(ModelRequest([asked], tools=[WEATHER], required_tool=WEATHER.name))
        expect([call.name for call in first.tool_calls][:1] == [WEATHER.name], "the tool was not called")
        results = [tool_result(call, "It rains, 12 degrees.") for call in first.tool_calls]
        second = await model.generate(ModelRequest([asked, first.message, *results], tools=[WEATHER]))
    expect(second.text.strip() or second.tool_calls, "nothing came after the result")
    return f"{first.tool_calls[0].arguments}"


async def stream(spec: str) -> str:
    """A streamed answer, whose deltas are the whole."""
    async with opened(spec) as model:
        *deltas, whole = [piece async for piece in model.stream(HELLO)]
    expect(isinstance(whole, ModelResponse), "the last piece is not the whole answer")
    said = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    expect(isinstance(whole, ModelResponse) and said == whole.text and said.strip(), "the deltas are not the whole")
    return f"{len(deltas)} deltas"


async def compression(spec: str) -> str:
    """A conversation that becomes too long is summarised by the model, and goes on."""
    with tempfile.TemporaryDirectory() as folder:
        agent = Agent(
            "live",
            spec,
            instructions="Answer in one word.",
            store=f"sqlite:///{folder}/live.db",
            context=ContextSection(budget=2000),
        )
        async with agent:
            for number in range(1, 11):
                text = f"Note {number}: " + "the harbour was calm and the ships lay still. " * 40
                reply = await agent.process_message(text, session_id="s", user_id="live")
                expect(reply.status == "done", f"message {number} ended as {reply.status}: {reply.text[:200]}")
                rows = await agent.store.usage_rows(UsageFilter(agent="live", purpose="summary"))
                if any(row.state == "completed" for row in rows):
                    return f"after {number} messages"
    raise Wrong("nothing was summarised in 10 messages")


async def cost(spec: str) -> str:
    """What is billed is what the provider's own usage costs."""
    provider, _, name = spec.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        with inserted(Cassette(Path(folder), record=True)):
            async with opened(spec) as model:
                response = await model.generate(HELLO)
        (recording,) = await asyncio.to_thread(_recorded, Path(folder))
    own = cost_of(PRICED_AS[provider], _body(recording), model=name).total_usd
    billed = price(spec, response.usage, model=name)
    expect(own and abs(billed - own) <= OFF * own, f"billed {billed} USD, by the provider's usage {own} USD")
    return f"{billed} USD"


def _recorded(folder: Path) -> list[Recording]:
    return [read(path) for path in folder.iterdir()]


def _body(recording: Recording) -> dict[str, object]:
    return msgspec.convert(recording.body, dict[str, object])


CHECKS: tuple[Callable[[str], Awaitable[str]], ...] = (generate, tools, stream, compression, cost)


def skipped(provider: str) -> str:
    """Why a provider is not asked; empty when it is."""
    names = NEEDS.get(provider)
    if names is None:
        return f"{provider} is no provider with a key"
    return "" if any(os.environ.get(name) for name in names) else f"no {' or '.join(names)}"


async def run(spec: str) -> bool:
    """All checks of one model, a line each; whether they passed."""
    passed = True
    for check in CHECKS:
        try:
            async with asyncio.timeout(PATIENCE):
                print(f"{spec}: {check.__name__}: ok, {await check(spec)}", flush=True)
        except (EmonkError, Wrong, TimeoutError) as error:
            passed = False
            print(f"{spec}: {check.__name__}: FAILED: {error or type(error).__name__}", flush=True)
    return passed


def main() -> int:
    """Run everything that has a key; 1 when something failed."""
    given = os.environ.get("EMONK_LIVE_MODELS", "").split(",")
    failed = asked = 0
    for spec in [one.strip() for one in given if one.strip()] or MODELS:
        if why := skipped(spec.partition(":")[0]):
            print(f"{spec}: skipped: {why}")
            continue
        asked += 1
        failed += not asyncio.run(run(spec))
    if not asked:
        print("nothing was asked: no provider has a key in the environment")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
