"""`emonk effects`: what agents did outside, and what a person has to look up."""

from typing import TYPE_CHECKING, Annotated

import typer

from emonk.cli.session_place import AgentOption, JsonOption, ask, known, missing, place_of
from emonk.cli.terminal import one_line, say
from emonk.cli.trouble import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from emonk.records import Effect
    from emonk.store.protocol import Store

KEY_SHOWN = 12
CALL_WIDTH = 70
_OPEN = ("prepared", "sending", "unknown")

app = typer.Typer(
    help="List what agents did outside, and settle what nobody knows.", add_completion=False, rich_markup_mode=None
)


@app.command("list")
def list_effects(
    agent: AgentOption = None,
    *,
    session: Annotated[str | None, typer.Option("--session", metavar="ID", help="Only those of this session.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that came to their end, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List effects that are not at their end: `sending` belongs to a turn, `unknown` waits for somebody to look."""
    place = place_of(agent)
    recorded = False

    async def query(store: "Store") -> "list[Effect]":
        nonlocal recorded
        found = [
            one
            async for one in _listed(store, (None,) if every else _OPEN)
            if place.agent in {None, one.session.agent} and session in {None, one.session.session_id}
        ]
        if session is not None and not found:
            await known(store, session, agent, place)
        recorded = not every and not found and await _any(store)
        return found

    listed = ask(place, query)
    if listed is None and session is not None:
        raise missing(session, agent, place)
    found = sorted(listed or [], key=lambda one: one.created_at)
    if as_json:
        from emonk.gateway.wire import encode  # noqa: PLC0415 - help is shown without it

        say(encode(found).decode())
        return
    for effect in found:
        say(_row(effect))
    if not found:
        say("every effect is at its end" if recorded else "no effects yet")


@app.command("settle")
def settle_effect(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of an unknown effect, or the start of it.")],
    agent: AgentOption = None,
    *,
    happened: Annotated[bool, typer.Option("--happened", help="You found it outside.")] = False,
    did_not_happen: Annotated[bool, typer.Option("--did-not-happen", help="You found that it is not there.")] = False,
    note: Annotated[str, typer.Option("--note", help="What to keep as its result, or as the reason.")] = "",
) -> None:
    """Say what you found out about an effect of which nobody knows whether it happened."""
    from emonk.effects.settle import settle  # noqa: PLC0415 - help is shown without it

    if happened and did_not_happen:
        raise UsageError("say one of --happened and --did-not-happen")
    if not (happened or did_not_happen):
        raise UsageError("say what you found", "--happened or --did-not-happen")

    async def query(store: "Store") -> "Effect | None":
        return await settle(store, await _whole(store, key, agent), happened=happened, note=note)

    settled = ask(place_of(agent), query)
    if settled is None:
        raise _missing(key, agent)
    say(_row(settled))


async def _listed(store: "Store", states: "Sequence[str | None]") -> "AsyncGenerator[Effect]":
    """Effects in one of the states; None is any. Those at their end may be very many, and are not read for others."""
    from emonk.effects.unfinished import NAMESPACE, effect_of  # noqa: PLC0415

    for state in states:
        after = ""
        while page := await store.records(NAMESPACE, state=state, after=after):
            for record in page:
                yield effect_of(record)
            after = page[-1].key


async def _any(store: "Store") -> bool:
    from emonk.effects.unfinished import NAMESPACE  # noqa: PLC0415

    return bool(await store.records(NAMESPACE, limit=1))


async def _whole(store: "Store", start: str, agent: str | None) -> str:
    from emonk.effects.unfinished import NAMESPACE  # noqa: PLC0415

    found = await store.records(NAMESPACE, prefix=start, limit=2) if start else []
    if len(found) > 1:
        raise UsageError(f"several effects begin with {one_line(start, CALL_WIDTH)}", "give more of the key")
    if not found:
        raise _missing(start, agent)
    return found[0].key


def _missing(key: str, agent: str | None) -> UsageError:
    hint = "see emonk effects list --all; --agent PATH looks in the store of an agent.yaml"
    if agent is not None:
        hint = f"see emonk effects list --all --agent {agent}"
    return UsageError(f"there is no effect {one_line(repr(key), CALL_WIDTH)}", hint)


def _row(effect: "Effect") -> str:
    from emonk.cli.amounts import when  # noqa: PLC0415 - help is shown without it

    arguments = ", ".join(f"{name}={value!r}" for name, value in effect.arguments.items())
    call = one_line(f"{effect.tool}({arguments})", CALL_WIDTH)
    words = (effect.key[:KEY_SHOWN], f"{effect.state:9}", when(effect.updated_at), one_line(effect.session.session_id))
    return "  ".join((*words, call))
