"""Runs the tool calls of one step, at the same time, each to a result or an error phrased for the model."""

import asyncio
import difflib
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from emonk.effects.key import turn_occasion
from emonk.effects.ledger import EffectLedger, Occasion
from emonk.effects.sender import EffectSender, Sending
from emonk.errors import (
    AgentError,
    ConfigError,
    EmonkError,
    InvalidArguments,
    OutcomeUnknown,
    PermissionDenied,
    UnknownTool,
)
from emonk.events import ToolReturned
from emonk.messages import ToolCall, ToolResult
from emonk.permissions.policy import Denied, decide
from emonk.records import SessionKey
from emonk.resilience.classify import ToolFailure, retryable, tool_failure
from emonk.runtime.journal import Journal
from emonk.runtime.progress import Emit, ToolEnded, ToolNote, ToolStarted, TurnEvent
from emonk.runtime.setup import Setup
from emonk.skills.protocol import Context, Runnable

CALLS_AT_ONCE = 16
RESULT_LIMIT = 200_000
"""Characters of a result that are kept: what is longer would fill the model's window and every copy of the log."""

OUTCOME_UNKNOWN = "Whether this call acted is not known: it was cut off while it ran. Do not repeat it; tell the user."
FINAL = "\nThis is final for now: do not call it again, tell the user."

_log = logging.getLogger("emonk.runtime")


class ToolBug(AgentError):
    """A tool raised what is no error of emonk's and no fault of the outside."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)
        self.error = error


class _Said(NamedTuple):
    """What to tell the model, the code of the error if it is one, and whether the model can correct it."""

    content: str
    error: str | None = None
    correctable: bool = False


class Dispatcher:
    """The tools of an agent, and for whom they run.

    Attributes:
        started: the ids of the calls whose tool was entered, whatever became of it.
    """

    def __init__(
        self,
        setup: Setup,
        journal: Journal,
        *,
        session_id: str,
        message_id: str,
        user_id: str,
        trace_id: str,
        deadline: float,
        background: bool,
        emit: Emit,
        resumed: bool,
    ) -> None:
        self._setup = setup
        self._journal = journal
        self._message_id = message_id
        self._resumed = resumed
        self._session_id = session_id
        self._user_id = user_id
        self._doors = setup.kept.doors(user_id)
        self._trace_id = trace_id
        self._deadline = deadline
        self._background = background
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._unknown: set[tuple[str, bytes]] = set()
        self.started: set[str] = set()

    async def prepare(self, calls: Sequence[ToolCall], *, recovers: bool = False) -> None:
        """Have the effects among the calls entered in the ledger, by the commit of the events that are noted next.

        With `recovers` the calls are those that a crash left open: see `EffectSender.prepare`.

        Raises:
            InfraError, ConfigError: the store could not be asked; nothing is to be written.
        """
        acting = [(call, tool, tool.effect) for call in calls if (tool := self._acting(call)) and tool.effect]
        if acting:
            await self._effects.prepare(acting, recovers=recovers)

    def cut_off(self, call: ToolCall, status: str) -> ToolResult | None:
        """The result of an effect that is open when the turn ends, with its row; None when it is none."""
        tool = self._setup.tool(call.name)
        answer = self._effects.cut_off(call, status) if tool is not None and tool.effect else None
        if answer is None:
            return None
        unknown = answer.error == OutcomeUnknown.default_code
        return ToolResult(call.id, call.name, OUTCOME_UNKNOWN if unknown else answer.content, answer.error)

    async def run(self, calls: Sequence[ToolCall], ended: Callable[[ToolReturned], None]) -> tuple[ToolReturned, ...]:
        """The results in the order of the calls; `ended` gets each as soon as it is there.

        Only cancellation gets out.
        """
        if len(calls) == 1:
            return (await self._one(calls[0], ended),)
        places = asyncio.Semaphore(CALLS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._in_turn(call, ended, places)) for call in calls]
        return tuple(task.result() for task in tasks)

    def forbid(self, call: ToolCall) -> None:
        """Whether it acted is not known, so the same call is refused for the rest of the turn."""
        self._unknown.add(_key(call))

    async def _in_turn(
        self, call: ToolCall, ended: Callable[[ToolReturned], None], places: asyncio.Semaphore
    ) -> ToolReturned:
        async with places:
            return await self._one(call, ended)

    async def _one(self, call: ToolCall, ended: Callable[[ToolReturned], None]) -> ToolReturned:
        self._emit(ToolStarted(call))
        began = self._setup.clock.monotonic()
        said = await self._result(call)
        result = ToolResult(call.id, call.name, _storable(said.content), said.error and _storable(said.error))
        seconds = self._setup.clock.monotonic() - began
        returned = ToolReturned(result=result, seconds=round(seconds, 6), correctable=said.correctable)
        ended(returned)
        self._emit(ToolEnded(result, seconds))
        return returned

    async def _result(self, call: ToolCall) -> _Said:
        try:
            tool = self._allowed(call)
            if tool.effect is not None:
                return await self._effect(tool, call)
            return _Said(await self._guarded(tool, call, self._context(call)))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._failure(call, error)  # something inside the tool was cancelled, not the turn
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a tool's bug is the model's news, not the turn's end
            return self._failure(call, error)

    async def _effect(self, tool: Runnable, call: ToolCall) -> _Said:
        answer = await self._effects.result(
            call,
            Sending(
                context=lambda key, acted_as: self._context(call, effect_key=key, acted_as=acted_as),
                looks=lambda effect: self._context(call, effect_key=effect.key, user_id=effect.user_id),
                run=lambda context: self._guarded(tool, call, context),
                error_text=_text_of,
            ),
        )
        return _Said(answer.content, answer.error)

    async def _guarded(self, tool: Runnable, call: ToolCall, context: Context) -> str:
        """Run the tool, by the rules for all of its calls; what it raises is raised."""
        guard = self._setup.guards.of("skills", tool.name)
        try:
            return await guard.call(
                self._enter,
                tool,
                call,
                context,
                deadline=self._deadline,
                background=self._background,
                repeatable=tool.idempotent,
            )
        except ToolBug as bug:
            raise bug.error from bug.error.__cause__

    async def _enter(self, tool: Runnable, call: ToolCall, context: Context) -> str:
        """One attempt. A defect of the tool says nothing of whether what it depends on is there."""
        self.started.add(call.id)
        try:
            return await tool.run(call.arguments, context)
        except (EmonkError, OSError):
            raise
        except Exception as error:
            if retryable(error):
                raise
            raise ToolBug(error) from error

    def _failure(self, call: ToolCall, error: BaseException) -> _Said:
        tool = self._setup.tool(call.name)
        repeatable = tool is None or tool.idempotent or call.id not in self.started
        failure = tool_failure(error, idempotent=repeatable)
        if not isinstance(error, EmonkError):
            _log.error("tool %s failed, trace %s", call.name, self._trace_id, exc_info=error)
        if failure is ToolFailure.UNKNOWN:
            self.forbid(call)
            return _Said(f"{OUTCOME_UNKNOWN} ({said_by(error)})", OutcomeUnknown.default_code)
        if not isinstance(error, EmonkError):
            return _Said(f"The tool failed: {said_by(error)}", "tool_failed")
        if isinstance(error, ConfigError):
            self._setup.alert(
                f"{error.code} {call.name}", "critical", f"tool {call.name} cannot work: {error}", self._trace_id
            )
        text = error_text(error) + (FINAL if failure is ToolFailure.TERMINAL else "")
        return _Said(text, error.code, failure is ToolFailure.CORRECTABLE)

    def _allowed(self, call: ToolCall) -> Runnable:
        tool = self._setup.tool(call.name)
        if tool is None:
            raise unknown_tool(call.name, self._setup.tools)
        if call.malformed is not None:
            names = ", ".join(tool.parameters.get("properties", {})) or "none"
            raise InvalidArguments(
                f"the arguments of {call.name} are not a JSON object", hint=f"its parameters are: {names}"
            )
        decision = decide(call.name, tool.risk)
        if isinstance(decision, Denied):
            raise PermissionDenied(decision.reason)
        if self._unknown and _key(call) in self._unknown:
            raise OutcomeUnknown(f"{call.name} was called with these arguments before, and may have acted")
        return tool

    def _acting(self, call: ToolCall) -> Runnable | None:
        """The tool of a call that is an effect and may run."""
        tool = self._setup.tool(call.name)
        if tool is None or tool.effect is None:
            return None
        try:
            return self._allowed(call)
        except EmonkError:  # it is raised again when the call's turn comes
            return None

    @cached_property
    def _effects(self) -> EffectSender:
        session = SessionKey(self._setup.agent, self._session_id)
        occasion = Occasion(
            name=turn_occasion(session, self._message_id),
            session=session,
            user_id=self._user_id,
            trace_id=self._trace_id,
        )
        ledger = EffectLedger(occasion, self._journal, resumed=self._resumed)
        return EffectSender(ledger, self._journal, clock=self._setup.clock, entered=self.started)

    def _context(
        self,
        call: ToolCall,
        *,
        effect_key: str = "",
        acted_as: Callable[[str], None] = lambda _: None,
        user_id: str | None = None,
    ) -> Context:
        user_id = self._user_id if user_id is None else user_id
        return Context(
            agent=self._setup.agent,
            session_id=self._session_id,
            user_id=user_id,
            call_id=call.id,
            trace_id=self._trace_id,
            clock=self._setup.clock,
            deadline=self._deadline,
            progress=lambda text: self._emit_from_anywhere(ToolNote(call.id, text)),
            guards=self._setup.guards,
            effect_key=effect_key,
            acted_as=acted_as,
            doors=self._doors if user_id == self._user_id else self._setup.kept.doors(user_id),
        )

    def _emit_from_anywhere(self, event: TurnEvent) -> None:
        """A synchronous tool runs in a thread, and watchers belong to the loop."""
        if asyncio._get_running_loop() is self._loop:  # noqa: SLF001 - the public one raises in a thread
            self._emit(event)
        else:
            self._loop.call_soon_threadsafe(self._emit, event)


def _storable(content: str) -> str:
    """Without half characters, and cut in the middle where it is too long."""
    if len(content) > RESULT_LIMIT:
        left_out = len(content) - RESULT_LIMIT
        half = RESULT_LIMIT // 2
        content = f"{content[:half]}\n[... {left_out} characters left out ...]\n{content[-half:]}"
    return content if content.isascii() else content.encode(errors="backslashreplace").decode()


def unknown_tool(name: str, tools: Mapping[str, Runnable]) -> UnknownTool:
    """The error for a tool that is not there, naming the closest one."""
    near = difflib.get_close_matches(name, tools, 1)
    known = ", ".join(sorted(tools)) or "none"
    return UnknownTool(
        f"there is no tool {name!r}",
        hint=f"did you mean {near[0]}? The tools are: {known}" if near else f"the tools are: {known}",
    )


def said_by(error: BaseException) -> str:
    """The error in one piece of text, also where its `__str__` raises."""
    if isinstance(error, EmonkError):
        return str(error)
    return "".join(traceback.format_exception_only(error)).strip()


def _key(call: ToolCall) -> tuple[str, bytes]:
    return call.name, msgspec.json.encode(call.arguments, order="deterministic")


def _text_of(error: BaseException) -> str:
    return error_text(error) if isinstance(error, EmonkError) else said_by(error)


def error_text(error: EmonkError) -> str:
    """An error as the model reads it."""
    return f"{error.message}\nHint: {error.hint}" if error.hint else error.message
