"""Python functions as tools."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

from emonk.errors import InvalidConfig
from emonk.records import RiskLevel
from emonk.resilience.deadline import within
from emonk.skills.arguments import Parameters
from emonk.skills.effect import Account, Reconcile, ToolEffect
from emonk.skills.protocol import Context
from emonk.skills.result import phrase
from emonk.skills.signature import Signature, read
from emonk.skills.threads import THREADS, contained

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Reconcile)

# What Gemini, OpenAI and Anthropic all accept as the name of a function.
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Tool(Generic[P, R]):
    """A function that a model may call; calling it directly is calling the function.

    Attributes:
        name: what the model calls it.
        triggers: phrases of users that mean this tool, with `{parameter}` placeholders.
        declared_risk: the risk that its author stated, or None.
        idempotent: a second call with the same arguments does no more than the first.
        effect: what the ledger of effects needs, None for a tool that is no effect.
        timeout: seconds, or None for the turn's own deadline.

    `signature` stands in for the function's own, where that does not say what a model must be told.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        risk: RiskLevel | str | None = None,
        idempotent: bool = False,
        effect: Account | bool | ToolEffect = False,
        triggers: Sequence[str] = (),
        timeout: float | None = None,
        signature: Signature | None = None,
    ) -> None:
        self.function = function
        self.name = tool_name(name or getattr(function, "__name__", ""))
        self.declared_risk = None if risk is None else risk_level(risk, f"tool {self.name}")
        self.idempotent = idempotent
        self.effect = self._as_effect(effect)
        self.triggers = (triggers,) if isinstance(triggers, str) else tuple(triggers)
        self.timeout = timeout
        self._given = signature
        update_wrapper(self, function, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Tool({self.name!r}, risk={self.risk.value!r})"

    @property
    def risk(self) -> RiskLevel:
        """The declared risk; HIGH when none was declared."""
        return self.declared_risk or RiskLevel.HIGH

    @property
    def description(self) -> str:
        """The docstring without its sections."""
        return self._signature.description

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON Schema of the arguments, made when first asked for.

        Raises:
            InvalidConfig: the signature cannot be described to a model.
        """
        return self._signature.parameters.schema

    async def run(self, arguments: Mapping[str, Any], context: Context) -> str:
        """Validate, run, and phrase the result.

        An async function runs in the caller's event loop. Any other runs in a thread, at most 32 at once, which nothing
        can stop: on cancellation its result is dropped. Whatever the function raises, cancellation apart, is an
        ordinary exception here, also `SystemExit` and `KeyboardInterrupt`.

        Raises:
            InvalidArguments: the arguments do not fit; the hint names the right ones.
            DeadlineExceeded: the tool's own `timeout` ran out.
        """
        values = self._signature.parameters.validate(arguments)
        if self._signature.context:
            values[self._signature.context] = context
        limit = self._limit(context)
        return phrase(
            await within(limit, self._call(values, context.effect_key), clock=context.clock, what=f"tool {self.name}")
        )

    def reconcile(self, find: F) -> F:
        """Register, as a decorator, the function that finds out whether an effect of this tool happened.

        It is called as `find(effect, ctx)` when a call was cut off, and returns `Happened`, `NotHappened`, or None when
        it cannot tell. It may be called more than once, and must not act.

        Raises:
            InvalidConfig: the tool is no effect, or the function does not take an effect and a context.
        """
        if self.effect is None:
            raise InvalidConfig(f"tool {self.name} is no effect", hint="declare it with @tool(effect=True)")
        self.effect.register(find)
        return find

    def in_skill(self, *, risk: RiskLevel | None, triggers: Sequence[str]) -> "Tool[P, R]":
        """The same tool, with its skill's risk and triggers where it states none of its own."""
        return Tool(
            self.function,
            name=self.name,
            risk=self.declared_risk or risk,
            idempotent=self.idempotent,
            effect=self.effect or False,
            triggers=self.triggers or triggers,
            timeout=self.timeout,
            signature=self._given,
        )

    def _as_effect(self, effect: Account | bool | ToolEffect) -> ToolEffect | None:
        if effect is False:
            return None
        if self.idempotent:
            raise InvalidConfig(
                f"tool {self.name} is declared idempotent and an effect",
                hint="what may be done twice needs no ledger: leave out one of them",
            )
        if isinstance(effect, ToolEffect):
            return effect
        return ToolEffect(self.name, effect, lambda: self._signature.parameters)

    def _limit(self, context: Context) -> float | None:
        """Seconds; the turn's deadline alone is kept by whoever runs the turn."""
        if self.timeout is None or context.deadline is None:
            return self.timeout
        return max(0.0, min(self.timeout, context.deadline - context.clock.monotonic()))

    async def _call(self, values: dict[str, Any], effect_key: str) -> Any:
        function: Callable[..., Any] = self.function
        if self._is_async:
            return await contained(function(**values))
        result = await THREADS.run(partial(function, **values), name=effect_key)
        return await contained(result) if inspect.isawaitable(result) else result

    @cached_property
    def _is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def _signature(self) -> Signature:
        signature = self._given or read(self.function, self.name)
        check_triggers(self.name, self.triggers, signature.parameters)
        return signature


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    risk: RiskLevel | str | None = None,
    idempotent: bool = False,
    effect: Account | bool = False,
    triggers: Sequence[str] = (),
    timeout: float | None = None,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    risk: RiskLevel | str | None = None,
    idempotent: bool = False,
    effect: Account | bool = False,
    triggers: Sequence[str] = (),
    timeout: float | None = None,
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a function a tool; its signature and Google-style docstring become the schema.

    A first parameter annotated `Context` receives the call's context and is hidden from the model.

    An async function runs in the event loop of the turn, where it must not block. Any other runs in some thread of a
    pool, with the context variables of the call: 32 such calls run at once in a process, more wait. The threads are
    daemons, so that a call which is still running when the process ends is cut off.

    Args:
        function: the function, when the decorator is used bare.
        name: what the model calls it; the function's own name by default.
        risk: `low`, `medium` or `high`; a tool that does not say is `high`.
        idempotent: a second call with the same arguments does no more than the first.
        effect: the outside sees what it does, such as a post or a payment: it is done at most once in a turn, and a
            call that was cut off is looked up before anything repeats it. True, or in whose name it acts: an account,
            or a function of the arguments that gives it. See `Tool.reconcile`.
        triggers: phrases of users that mean this tool, with `{parameter}` placeholders.
        timeout: seconds that one call may take.

    Raises:
        InvalidConfig: the name or the risk cannot be used, or it is an effect and idempotent.
    """

    def make(wrapped: Callable[P, R]) -> Tool[P, R]:
        return Tool(
            wrapped, name=name, risk=risk, idempotent=idempotent, effect=effect, triggers=triggers, timeout=timeout
        )

    return make if function is None else make(function)


def tool_name(name: str) -> str:
    """The name, if every provider accepts it.

    Raises:
        InvalidConfig: it is empty, too long or has other characters.
    """
    if _NAME.fullmatch(name):
        return name
    raise InvalidConfig(
        f"{name!r} cannot be the name of a tool", hint="1-64 ASCII letters, digits, _ and -, not a digit first"
    )


def risk_level(risk: str, where: str) -> RiskLevel:
    """The risk that a word names.

    Raises:
        InvalidConfig: it names none.
    """
    try:
        return RiskLevel(risk)
    except ValueError as error:
        raise InvalidConfig(f"{where}: {risk!r} is no risk", hint="low, medium or high") from error


def check_triggers(tool: str, triggers: Sequence[str], parameters: Parameters) -> None:
    """Every placeholder must name a parameter.

    Raises:
        InvalidConfig: one does not.
    """
    for trigger in triggers:
        for name in _PLACEHOLDER.findall(trigger):
            if name not in parameters.schema["properties"]:
                raise InvalidConfig(f"tool {tool}: trigger {trigger!r} names no parameter {name!r}")
