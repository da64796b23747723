"""Tools that answer from a recording instead of acting."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from emonk.errors import AgentError
from emonk.messages import ToolCall, ToolResult
from emonk.records import RiskLevel
from emonk.runtime.comparison import call_key
from emonk.runtime.recorded import RecordedCall
from emonk.skills.effect import ToolEffect
from emonk.skills.protocol import Context, Runnable

ARGUMENTS_SHOWN = 200


class NotRecorded(AgentError):
    """The recording has no result for the call, and nothing is run in a rerun."""

    default_code = "not_recorded"


class RecordedFailure(AgentError):
    """The call failed when it was recorded; its message is what the model read then."""


class Recording:
    """The results of a session's calls by turn. Each is given once, in the order in which they came."""

    def __init__(self, turns: Sequence[Sequence[RecordedCall]]) -> None:
        self._left = [
            (number, call_key(one.call), one.result)
            for number, calls in enumerate(turns)
            for one in calls
            if one.result is not None
        ]
        self._turn = 0

    def begin(self, turn: int) -> None:
        """From here on results of that turn, counted from 0, come first."""
        self._turn = turn

    def take(self, name: str, arguments: Mapping[str, Any]) -> ToolResult | None:
        """The result of the same tool with equal arguments; that of another turn when this one has none left."""
        key = call_key(ToolCall("", name, dict(arguments)))
        fitting = [one for one in self._left if one[1] == key]
        found = next((one for one in fitting if one[0] == self._turn), next(iter(fitting), None))
        if found is None:
            return None
        self._left.remove(found)
        return found[2]


class RecordedTool:
    """Looks to a model as the tool that it stands for. It harms nobody, so its risk is LOW whatever that one's is."""

    risk = RiskLevel.LOW
    idempotent = True
    effect: ToolEffect | None = None

    def __init__(self, tool: Runnable, recording: Recording, *, run_readonly: bool = False) -> None:
        """Stand for a tool.

        Args:
            tool: which one.
            recording: answers in its place.
            run_readonly: run it where the recording has no answer, if it is of low risk and idempotent.
        """
        self._tool = tool
        self._recording = recording
        self._runs = run_readonly and tool.risk is RiskLevel.LOW and tool.idempotent
        self.name = tool.name
        self.description = tool.description
        self.parameters = tool.parameters
        self.triggers = tool.triggers

    async def run(self, arguments: Mapping[str, Any], context: Context) -> str:
        """The recorded result.

        Raises:
            RecordedFailure: it was an error.
            NotRecorded: there is none.
        """
        result = self._recording.take(self.name, arguments)
        if result is None and self._runs:
            return await self._tool.run(arguments, context)
        if result is None:
            given = msgspec.json.encode(arguments).decode()[:ARGUMENTS_SHOWN]
            raise NotRecorded(f"no result of {self.name} with {given} was recorded", hint="go on without it")
        if result.error is not None:
            raise RecordedFailure(result.content, code=result.error)
        return result.content
