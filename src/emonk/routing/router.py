"""Several models behind one door: `MultiModelRouter` decides who does a task, and has it done."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import msgspec

from emonk.clock import MICROSECONDS, SYSTEM_CLOCK, Clock
from emonk.costs.tracker import CostTracker
from emonk.errors import CircuitOpen, ConfigError, InvalidConfig
from emonk.events import TaskHints
from emonk.messages import Message, UserMessage, user
from emonk.models.create import create
from emonk.models.protocol import ModelRequest, ModelResponse, ToolLike
from emonk.resilience.bounds import above_zero
from emonk.resilience.guards import Guards
from emonk.resilience.section import ResilienceSection
from emonk.routing.assessment import USUAL, assess
from emonk.routing.bill import Bill
from emonk.routing.complexity import Scorer, TaskComplexity
from emonk.routing.decision import Decision, Role, decide
from emonk.routing.opening import scorer_of
from emonk.routing.roles import Given, by_role, spec_of
from emonk.routing.section import RoutingSection
from emonk.routing.task import RoutedTask, read_hints, read_task
from emonk.routing.tries import Attempt, Member, Tries

KEPT = 100
"""Decisions that a router remembers."""

_log = logging.getLogger("emonk.routing")


class RoutingDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one task.

    Attributes:
        complexity: of the task.
        reason: why it is as hard as that.
        model: that answered, as a configuration names it; empty where none did.
        role: of that model, empty where none did.
        attempts: who was asked, in order, and what went wrong.
        at: when it was decided, UTC microseconds.
    """

    complexity: TaskComplexity
    reason: str
    model: str
    role: Role | None
    attempts: tuple[Attempt, ...]
    at: int


class MultiModelRouter:
    """Does each task with the model that is good enough for it.

    Simple tasks are the worker's, and the lead's when it fails. Moderate ones are the worker's within a time limit,
    then the lead's. Complex ones are the lead's. Where the lead fails or cannot be called, the fallback answers. Each
    model stands behind a guard: retries, a circuit breaker, a limit.

    Args:
        models: by role, `lead`, `worker` and `fallback`; or the lead alone.
        lead: a model string such as `gemini:gemini-3.5-flash`, or an object that satisfies `emonk.models.Model`.
        worker: likewise; without one the lead works.
        fallback: likewise.
        classifier: a trained one, or the path of its file.
        section: where the lines between worker and lead are drawn.
        resilience: retries, circuit breakers and limits.
        seconds: for a task, with all models and retries.
        tracker: has a row for each call; without one, none is billed.
        clock: what measures time.

    Raises:
        InvalidConfig: a model, classifier or setting that cannot be used.
    """

    def __init__(
        self,
        models: "Given | Mapping[str, Given] | None" = None,
        *,
        lead: Given | None = None,
        worker: Given | None = None,
        fallback: Given | None = None,
        classifier: Scorer | str | Path | None = None,
        section: RoutingSection | None = None,
        resilience: ResilienceSection | None = None,
        seconds: float = 300.0,
        tracker: CostTracker | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        section = USUAL if section is None else section
        if not hasattr(section, "worker_seconds"):
            raise InvalidConfig(f"section is {section!r:.80}", hint="write section=RoutingSection(worker_seconds=5)")
        self._given = by_role(_merged(models, {"lead": lead, "worker": worker, "fallback": fallback}))
        self._section = section
        self._classifier = scorer_of(classifier if classifier is not None else section.classifier)
        self._guards = Guards(resilience, clock=clock)
        self._seconds = above_zero("seconds", seconds)
        self._tracker = tracker
        self._clock = clock
        self._members: dict[Role, Member] = {}
        self._opening = asyncio.Lock()
        self._opened = False
        self._decisions: deque[RoutingDecision] = deque(maxlen=KEPT)

    @property
    def decisions(self) -> tuple[RoutingDecision, ...]:
        """What became of the last tasks, the latest last; so many as `KEPT`."""
        return tuple(self._decisions)

    @property
    def last_decision(self) -> RoutingDecision | None:
        """What became of the latest task."""
        return self._decisions[-1] if self._decisions else None

    @property
    def guards(self) -> Guards:
        """What stands between the router and its models."""
        return self._guards

    def assess_complexity(self, task: Any) -> TaskComplexity:
        """How hard a task is; `emonk.routing.assess` tells the order of the rules.

        Raises:
            InvalidConfig: the task cannot be understood.
        """
        return assess(task, self._classifier, self._section).complexity

    def decide(self, task: Any) -> Decision:
        """Who would do a task now.

        Raises:
            InvalidConfig: the task cannot be understood.
        """
        return decide(task, self._available(), classifier=self._classifier, section=self._section)

    async def route(self, task: Any, *, user_id: str = "local", session_id: str = "") -> ModelResponse:
        """Have a task done.

        Args:
            task: a text, or a mapping with `input`, what to do; if you like `context`, messages before it,
                `instructions`, `tools`, `required_tool`, and what `assess` goes by.
            user_id: whose costs its calls are.
            session_id: of what it belongs to, in the ledger.

        Raises:
            InvalidConfig: the task cannot be understood.
            MalformedOutput: no model gave a usable answer.
            InfraError: no model can be called, or the last one that was asked could not serve.
            ConfigError: the lead cannot be used until a person acts.
            Exception: the last model's own error, where it is none of these.
        """
        read = read_task(task)
        if not read.text and not read.messages:
            raise InvalidConfig("the task has no input", hint='a task is a mapping such as {"input": "what to do"}')
        messages: tuple[Message, ...] = (*read.messages, user(read.text)) if read.text else read.messages
        tools = _tools(task)
        request = ModelRequest(messages, tools, read.instructions, required_tool=read.hints.required_tool)
        return await self._carry_out(read, request, self._bill(user_id, session_id))

    async def generate(
        self,
        request: "ModelRequest | Mapping[str, Any] | str",
        *,
        user_id: str = "local",
        session_id: str = "",
        **hints: Any,
    ) -> ModelResponse:
        """As `route`, also of a whole request, of which `hints` (`complexity`, `type`, ...) say how hard it is.

        Raises:
            Exception: as `route`.
        """
        if not isinstance(request, ModelRequest):
            return await self.route(_hinted(request, hints), user_id=user_id, session_id=session_id)
        said = next((one.text for one in reversed(request.messages) if isinstance(one, UserMessage)), "")
        known: TaskHints = read_hints(hints)
        length = known.context_length
        if length is None:
            length = RoutedTask(known, "", tuple(request.messages)).tokens
        read = RoutedTask(msgspec.structs.replace(known, context_length=length), said)
        return await self._carry_out(read, request, self._bill(user_id, session_id))

    async def aclose(self) -> None:
        """Close the models that were opened here."""
        members, self._members, self._opened = self._members, {}, False
        for member in members.values():
            if member.own:
                await member.model.aclose()

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _bill(self, user_id: str, session_id: str) -> Bill | None:
        if self._tracker is None:
            return None
        if not user_id:
            raise InvalidConfig("user_id is empty", hint="say whose costs they are")
        return Bill(self._tracker, user_id, session_id, spec_of(self._given["lead"]))

    async def _carry_out(self, read: RoutedTask, request: ModelRequest, bill: Bill | None) -> ModelResponse:
        await self._open()
        decision = decide(read, self._available(), classifier=self._classifier, section=self._section)
        at = int(self._clock.time() * MICROSECONDS)
        tries = Tries(self._members, self._clock, self._seconds, bill)
        try:
            if not decision.candidates:
                raise self._unavailable()
            return await tries.first_answer(decision, request)
        finally:
            by = tries.answered
            made = RoutingDecision(
                complexity=decision.complexity,
                reason=decision.reason,
                model=by.model if by else "",
                role=by.role if by else None,
                attempts=tuple(tries.attempts),
                at=at,
            )
            self._decisions.append(made)
            _log.info("a %s task (%s): %s", made.complexity, made.reason, made.model or "no model answered")

    def _available(self) -> list[Role]:
        if not self._opened:
            return list(self._given)
        return [role for role, member in self._members.items() if not member.guard.wait()]

    def _unavailable(self) -> CircuitOpen:
        wait = min(member.guard.wait() for member in self._members.values())
        return CircuitOpen(f"none of the models can be called for {wait:.0f} s", retry_after=wait)

    async def _open(self) -> None:
        async with self._opening:
            if self._opened:
                return
            for role, given in self._given.items():
                if role in self._members:
                    continue
                try:
                    model = create(given) if isinstance(given, str) else given
                except ConfigError as error:
                    if role == "lead":
                        raise
                    _log.warning("the %s model %s cannot be used: %s", role, given, error)
                    continue
                same = any(spec_of(other.model) == spec_of(model) for other in self._members.values())
                name = f"{spec_of(model)} ({role})" if same else spec_of(model)
                self._members[role] = Member(model, self._guards.of("models", name), own=model is not given)
            self._opened = True


def _merged(models: "Given | Mapping[str, Given] | None", named: Mapping[str, Given | None]) -> Mapping[str, Given]:
    """The models by role, from both ways of giving them; the offline one where none is."""
    given = {role: one for role, one in named.items() if one is not None}
    if models is None:
        return given or {"lead": "offline"}
    both: dict[str, Given] = dict(models) if isinstance(models, Mapping) else {"lead": models}
    twice = next((role for role in given if role in both), None)
    if twice is not None:
        raise InvalidConfig(f"the {twice} model is given twice", hint="in the mapping, or by its name")
    return both | given


def _hinted(task: object, hints: Mapping[str, Any]) -> object:
    """The task with what else is said of it; whatever is no task stays what it is."""
    if isinstance(task, str):
        return {"input": task, **hints}
    return {**cast("Mapping[str, Any]", task), **hints} if isinstance(task, Mapping) else task


def _tools(task: object) -> Sequence[ToolLike]:
    given: object = cast("Mapping[str, object]", task).get("tools") if isinstance(task, Mapping) else None
    if given is None:
        return ()
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise InvalidConfig(f"the tools of the task are {given!r:.80}", hint="a list of tools")
    for tool in cast("Sequence[object]", given):
        if not all(hasattr(tool, part) for part in ("name", "description", "parameters")):
            raise InvalidConfig(f"{tool!r:.80} is no tool", hint="write @tool above the function")
    return cast("Sequence[ToolLike]", given)
