"""One question, asked of an adapter in front of a stand-in, whole and as a stream."""

import asyncio
from collections.abc import Awaitable, Callable

from emonk.messages import user
from emonk.models.protocol import Model, ModelDelta, ModelRequest, ModelResponse
from emonk.testing.stand_in import StandIn

ASKING = ModelRequest([user("hi")])


async def streamed(model: Model) -> tuple[list[ModelDelta], ModelResponse]:
    """The pieces of an answer, and the whole that comes last."""
    *pieces, whole = [piece async for piece in model.stream(ASKING)]
    assert isinstance(whole, ModelResponse)
    return [piece for piece in pieces if not isinstance(piece, ModelResponse)], whole


def over_http(
    server: StandIn, model_of: Callable[[str], Model], work: Callable[[Model], Awaitable[None]], *, answers: int
) -> None:
    """Let a model at the server's address do its work, which asks for so many answers."""

    async def main() -> None:
        async with server:
            model = model_of(server.base_url)
            await work(model)
            await model.aclose()
        assert len(server.requests) == answers

    asyncio.run(main())
