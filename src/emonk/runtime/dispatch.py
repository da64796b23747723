"""Runs the tool calls of one step, at the same time, each to a result or an error phrased for the model."""

import asyncio
import difflib
import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from emonk.clock import Clock
from emonk.errors import EmonkError, InvalidArguments, PermissionDenied, UnknownTool
from emonk.events import ToolReturned
from emonk.messages import ToolCall, ToolResult
from emonk.permissions.policy import Denied, decide
from emonk.runtime.progress import ToolEnded, ToolNote, ToolStarted, TurnEvent
from emonk.skills.protocol import Context, Runnable

Emit = Callable[[TurnEvent], None]

_log = logging.getLogger("emonk.runtime")


class Dispatcher(msgspec.Struct, frozen=True):
    """The tools of an agent, and for whom they run."""

    tools: Mapping[str, Runnable]
    agent: str
    session_id: str
    user_id: str
    trace_id: str
    clock: Clock
    deadline: float | None
    emit: Emit

    async def run(self, calls: Sequence[ToolCall]) -> tuple[ToolReturned, ...]:
        """The results in the order of the calls. Only cancellation gets out."""
        if len(calls) == 1:
            return (await self._one(calls[0]),)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(call)) for call in calls]
        return tuple(task.result() for task in tasks)

    async def _one(self, call: ToolCall) -> ToolReturned:
        self.emit(ToolStarted(call))
        started = self.clock.monotonic()
        try:
            result = ToolResult(call.id, call.name, await self._allowed(call).run(call.arguments, self._context(call)))
        except EmonkError as error:
            result = ToolResult(call.id, call.name, phrase(error), error.code)
        except Exception as error:  # noqa: BLE001 - a tool's bug is the model's news, not the turn's end
            _log.exception("tool %s failed, trace %s", call.name, self.trace_id)
            result = ToolResult(call.id, call.name, f"The tool failed: {type(error).__name__}: {error}", "tool_failed")
        seconds = self.clock.monotonic() - started
        self.emit(ToolEnded(result, seconds))
        return ToolReturned(result=result, seconds=round(seconds, 6))

    def _allowed(self, call: ToolCall) -> Runnable:
        tool = self.tools.get(call.name)
        if tool is None:
            raise unknown_tool(call.name, self.tools)
        if call.malformed is not None:
            names = ", ".join(tool.parameters.get("properties", {})) or "none"
            raise InvalidArguments(
                f"the arguments of {call.name} are not a JSON object", hint=f"its parameters are: {names}"
            )
        decision = decide(call.name, tool.risk)
        if isinstance(decision, Denied):
            raise PermissionDenied(decision.reason, hint="tell the user; do not call it again")
        return tool

    def _context(self, call: ToolCall) -> Context:
        return Context(
            agent=self.agent,
            session_id=self.session_id,
            user_id=self.user_id,
            call_id=call.id,
            trace_id=self.trace_id,
            clock=self.clock,
            deadline=self.deadline,
            progress=lambda text: self.emit(ToolNote(call.id, text)),
        )


def unknown_tool(name: str, tools: Mapping[str, Runnable]) -> UnknownTool:
    """The error for a tool that is not there, naming the closest one."""
    near = difflib.get_close_matches(name, tools, 1)
    known = ", ".join(sorted(tools)) or "none"
    return UnknownTool(
        f"there is no tool {name!r}",
        hint=f"did you mean {near[0]}? The tools are: {known}" if near else f"the tools are: {known}",
    )


def phrase(error: EmonkError) -> str:
    """An error as the model reads it."""
    return f"{error.message}\nHint: {error.hint}" if error.hint else error.message
