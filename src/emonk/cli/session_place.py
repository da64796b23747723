"""Where sessions lie: the store of an agent or the embedded one, and in it the session that a name means."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from emonk.cli.tenants import SHIPPED, agent_file
from emonk.cli.terminal import one_line
from emonk.cli.trouble import UsageError

if TYPE_CHECKING:
    from emonk.records import Session
    from emonk.store.protocol import Store

T = TypeVar("T")
NAME_WIDTH = 80

AgentOption = Annotated[
    str | None,
    typer.Option("--agent", help="Only sessions of this agent: its name, or the path of its agent.yaml or folder."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SessionArgument = Annotated[str, typer.Argument(metavar="ID", help="As `emonk sessions list` shows it.")]


class Place(NamedTuple):
    """Where to look: a store, and in it the sessions of one agent or of all."""

    url: str
    agent: str | None


def place_of(agent: str | None) -> Place:
    """An agent of a file may keep its sessions in a store of its own."""
    from emonk.store.connect import default_url  # noqa: PLC0415  help is shown without it

    path = None if agent is None or agent in SHIPPED else agent_file(agent)
    if path is None:
        return Place(default_url(), agent)
    from emonk.agent.file import read_agent_file  # noqa: PLC0415  names need no reader of files

    section = read_agent_file(path)
    return Place(section.store or default_url(), section.name)


def ask(place: Place, query: "Callable[[Store], Coroutine[Any, Any, T]]", *, anew: bool = False) -> T | None:
    """What the store answers; None when nothing was ever stored, so that reading makes no files (`anew` does)."""
    import asyncio  # noqa: PLC0415 - help is shown without it

    from emonk.store.connect import connect, sqlite_path  # noqa: PLC0415

    async def asking() -> T | None:
        if not anew and place.url.startswith("sqlite:") and not sqlite_path(place.url).exists():
            return None
        store = await connect(place.url)
        try:
            return await query(store)
        finally:
            await store.aclose()

    return asyncio.run(asking())


def with_session(session_id: str, agent: str | None, query: "Callable[[Store, Session], Coroutine[Any, Any, T]]") -> T:
    """What `query` makes of the session.

    Raises:
        UsageError: there is none of that name, or several agents have one.
    """
    if not session_id.isprintable():
        raise UsageError(f"{_named(session_id)} is no session's name", "see emonk sessions list")
    place = place_of(agent)

    async def asking(store: "Store") -> tuple[T]:
        found = await _find(store, session_id, place.agent)
        if len(found) > 1:
            names = ", ".join(info.agent for info in found)
            said = f"several agents have a session {_named(session_id)}"
            raise UsageError(said, f"add --agent with one of {names}")
        if not found:
            raise missing(session_id, agent, place)
        return (await query(store, found[0]),)

    answer = ask(place, asking)
    if answer is None:
        raise missing(session_id, agent, place)
    return answer[0]


async def known(store: "Store", session_id: str, agent: str | None, place: Place) -> None:
    """Raise the error of one that is missing, if no agent there has a session of that name."""
    if not await _find(store, session_id, place.agent):
        raise missing(session_id, agent, place)


def missing(session_id: str, agent: str | None, place: Place) -> UsageError:
    """The error of a session that is not there."""
    if agent is not None:
        said = f"{place.agent} has no session {_named(session_id)}"
        return UsageError(said, f"see emonk sessions list --agent {agent}")
    hint = "see emonk sessions list; --agent PATH looks in the store of an agent.yaml"
    return UsageError(f"there is no session {_named(session_id)}", hint)


def _named(session_id: str) -> str:
    """As a message quotes it, which must stay a line."""
    return one_line(repr(session_id), NAME_WIDTH)


async def _find(store: "Store", session_id: str, agent: str | None) -> "list[Session]":
    if agent is None:
        return await store.sessions(session_id=session_id)
    from emonk.records import SessionKey  # noqa: PLC0415

    info = await store.session(SessionKey(agent, session_id))
    return [] if info is None else [info]
