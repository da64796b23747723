"""A stand-in for the outside, with a log of its own of what it did, and an agent whose tool acts on it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from emonk import Agent, Context, Happened, NotHappened, tool
from emonk.effects.unfinished import NAMESPACE, effect_of
from emonk.messages import ToolMessage, ToolResult
from emonk.models.protocol import ModelRequest
from emonk.records import Effect, EffectState
from emonk.store.protocol import Store
from emonk.testing.model import ScriptedModel

Hook = Literal["looks", "cannot tell", "fails", "hangs", "none"]
HOOKS: tuple[Hook, ...] = ("looks", "cannot tell", "fails", "hangs", "none")


class Act(NamedTuple):
    """Something that the outside did."""

    key: str
    text: str


class Outside:
    """Does whatever it is asked, also twice.

    Attributes:
        log: what it did.
        before: an error or an event to wait for, for each request before it acts; None for nothing.
        after: the same after it acted, before it answers.
        looks: how often it was asked what it did.
    """

    def __init__(self) -> None:
        self.log: list[Act] = []
        self.before: list[BaseException | asyncio.Event | None] = []
        self.after: list[BaseException | asyncio.Event | None] = []
        self.looks = 0
        self.entered = asyncio.Event()
        self.dead = False

    async def post(self, key: str, text: str) -> str:
        """Act, with whatever goes wrong before and after; the id of the post."""
        self.entered.set()
        await self._fault(self.before)
        if self.dead:  # the process that asks is not there any more
            await asyncio.Event().wait()
        self.log.append(Act(key, text))
        await self._fault(self.after)
        return f"post {len(self.log)}"

    def find(self, key: str) -> str | None:
        self.looks += 1
        return next((act.text for act in self.log if act.key == key), None)

    async def _fault(self, faults: list[BaseException | asyncio.Event | None]) -> None:
        fault = faults.pop(0) if faults else None
        if isinstance(fault, BaseException):
            raise fault
        if fault is not None:
            await fault.wait()


def poster(outside: Outside, hook: Hook = "looks", **settings: Any) -> Any:
    """The tool `post`."""
    settings = {"risk": "low", "effect": "the page"} | settings

    @tool(**settings)
    async def post(ctx: Context, text: str, times: int = 1) -> str:
        """Post something."""
        remote_id = await outside.post(ctx.effect_key, text)
        ctx.acted_as(remote_id)
        return f"posted {text}"

    if hook != "none":

        @post.reconcile
        async def find(effect: Effect, ctx: Context) -> Happened | NotHappened | None:
            assert ctx.effect_key == effect.key
            match hook:
                case "cannot tell":
                    return None
                case "fails":
                    raise ConnectionResetError("the outside is away")
                case "hangs":
                    await asyncio.Event().wait()
                case _:
                    pass
            text = outside.find(effect.key)
            return NotHappened() if text is None else Happened(f"posted {text}", f"found {text}")

    return post


def posting_agent(
    script: Iterable[Any] | Callable[[ModelRequest], Any], store: Store, tools: Sequence[Any], **settings: Any
) -> tuple[Agent, ScriptedModel]:
    model = ScriptedModel(script if callable(script) else list(script))
    return Agent("poster", model, store=store, tools=tools, **settings), model


def results(model: ScriptedModel) -> list[ToolResult]:
    """All results that the model saw with its last request."""
    messages = model.requests[-1].messages
    return [result for message in messages if isinstance(message, ToolMessage) for result in message.results]


async def rows(store: Store) -> list[Effect]:
    """The ledger."""
    return [effect_of(record) for record in await store.records(NAMESPACE)]


def disagreements(
    outside: Outside, ledger: Sequence[Effect], *, final: Callable[[Effect], bool] = lambda _: True
) -> list[str]:
    """Where the log of the outside and the ledger do not agree."""
    acted = Counter(act.key for act in outside.log)
    wrong = [f"{key} acted {number} times" for key, number in acted.items() if number > 1]
    known = {effect.key for effect in ledger}
    wrong += [f"{key} acted and has no row" for key in acted if key not in known]
    for effect in filter(final, ledger):
        match effect.state:
            case EffectState.DONE if acted[effect.key] != 1:
                wrong.append(f"{effect.key} is done, and acted {acted[effect.key]} times")
            case EffectState.REJECTED | EffectState.CANCELLED | EffectState.EXPIRED if acted[effect.key]:
                wrong.append(f"{effect.key} is {effect.state}, and acted")
            case EffectState.PREPARED | EffectState.SENDING:
                wrong.append(f"{effect.key} is still {effect.state}")
            case _:
                continue
    return wrong
