"""The step boundaries of a process, and the one at which it kills itself."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any

from emonk.events import InboxItem
from emonk.models.protocol import Model, ModelDelta, ModelRequest, ModelResponse
from emonk.records import Lease, Owner, SessionKey
from emonk.store.protocol import Accepted, Claimed, Operation, Store


class Points:
    """Counts the boundaries that the process passes, and ends it at one of them as `kill -9` does.

    Attributes:
        passed: the names of those that were passed.
    """

    def __init__(self, kill_at: int | None) -> None:
        self._kill_at = kill_at
        self.passed: list[str] = []

    def reach(self, name: str) -> None:
        """A boundary is here."""
        if len(self.passed) == self._kill_at:
            os.write(1, f"killed {name}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(name)


class WatchedStore:
    """A store whose transactions have a boundary before them, after they were handed over, and after they are durable.

    What is not named here is the store's own.
    """

    def __init__(self, store: Store, points: Points) -> None:
        self._store = store
        self._points = points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        self._points.reach("before accept")
        accepted = await self._store.accept(item, owner=owner)
        self._points.reach("after accept")
        return accepted

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        self._points.reach("before claim")
        claimed = await self._store.claim(session, owner)
        self._points.reach("after claim")
        return claimed

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> "asyncio.Future[int]":
        kinds = "+".join(type(one).__name__.lower() for one in operations)
        self._points.reach(f"before commit of {kinds}")
        committed = self._store.commit(operations, fence=fence, expected_revision=expected_revision)
        committed.add_done_callback(lambda _: self._points.reach(f"after commit of {kinds}"))
        self._points.reach(f"commit of {kinds} under way")
        return committed


class WatchedModel:
    """A model with a boundary before it is asked and after it has answered."""

    def __init__(self, model: Model, points: Points) -> None:
        self._model = model
        self._points = points

    @property
    def spec(self) -> str:
        return self._model.spec

    async def generate(self, request: ModelRequest) -> ModelResponse:
        self._points.reach("before the model is asked")
        response = await self._model.generate(request)
        self._points.reach("after the model has answered")
        return response

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta | ModelResponse]:
        self._points.reach("before the model is asked")
        async for piece in self._model.stream(request):
            yield piece
        self._points.reach("after the model has answered")

    async def aclose(self) -> None:
        await self._model.aclose()
