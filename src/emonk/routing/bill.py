"""The rows of a router's calls, for routers that have a `CostTracker`."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

import msgspec

from emonk.costs.calls import OFFLINE, OpenCall
from emonk.costs.tracker import CostTracker
from emonk.errors import EmonkError
from emonk.models.protocol import Model, ModelRequest, ModelResponse

PURPOSE = "route"

T = TypeVar("T")

_log = logging.getLogger("emonk.routing")


class Bill(msgspec.Struct, frozen=True):
    """Who pays for a task.

    Attributes:
        tracker: writes the rows.
        user_id: whose costs they are.
        session_id: of whatever the task belongs to.
        lead: the model string of the lead, for the savings.
    """

    tracker: CostTracker
    user_id: str
    session_id: str
    lead: str

    async def ask(self, model: Model, role: str, request: ModelRequest) -> ModelResponse:
        """One call of a model, with its row. A ledger that cannot be written keeps nobody from an answer.

        Raises:
            Exception: the model's own error.
        """
        call = None if model.spec == OFFLINE else await _kept(self._begin(model.spec, role))
        try:
            response = await model.generate(request)
        except BaseException as error:
            if call is not None:
                await _kept(call.failed(error))
            raise
        if call is not None:
            await _kept(call.answered(response.usage, answered_by=response.model))
        return response

    async def _begin(self, spec: str, role: str) -> OpenCall:
        who = {"user_id": self.user_id, "session_id": self.session_id, "lead": self.lead}
        return await self.tracker.begin(spec, purpose=PURPOSE, role=role, **who)


async def _kept(row: Awaitable[T]) -> T | None:
    """What was written, also when its caller is cancelled meanwhile; None where it could not be."""
    try:
        return await asyncio.shield(row)
    except EmonkError as error:
        _log.warning("a usage row could not be written: %s", error)
        return None
