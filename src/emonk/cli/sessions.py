"""`emonk sessions`: what was said, to read and to take away."""

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from emonk.cli.tenants import SHIPPED, agent_file
from emonk.cli.terminal import one_line, say
from emonk.cli.trouble import UsageError

if TYPE_CHECKING:
    from emonk.events import Logged
    from emonk.records import Session
    from emonk.store.protocol import Store

T = TypeVar("T")
TITLE_WIDTH = 48

app = typer.Typer(help="List, show and export sessions.", add_completion=False, rich_markup_mode=None)

AgentOption = Annotated[
    str | None,
    typer.Option("--agent", help="Only sessions of this agent: its name, or the path of its agent.yaml or folder."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SessionArgument = Annotated[str, typer.Argument(metavar="ID", help="As `emonk sessions list` shows it.")]


class _Place(NamedTuple):
    """Where to look: a store, and in it the sessions of one agent or of all."""

    url: str
    agent: str | None


@app.command("list")
def list_sessions(
    agent: AgentOption = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 50,
    as_json: JsonOption = False,
) -> None:
    """List sessions, last active first."""
    place = _place(agent)
    found = _ask(place, lambda store: store.sessions(agent=place.agent, limit=limit)) or []
    if as_json:
        from emonk.gateway.wire import encode, session_json  # noqa: PLC0415

        say(encode([session_json(info) for info in found]).decode())
    elif found:
        for row in _table(found):
            say(row)
    else:
        say(f"no sessions of {place.agent} yet" if place.agent else "no sessions yet")


@app.command("show")
def show(session_id: SessionArgument, agent: AgentOption = None, as_json: JsonOption = False) -> None:
    """Show a conversation, with what the tools did."""
    info, events = _load(session_id, agent)
    if as_json:
        from emonk.gateway.wire import encode, event_json, session_json  # noqa: PLC0415

        whole = {**session_json(info), "events": [event_json(logged) for logged in events]}
        say(encode(whole).decode())
        return
    from emonk.cli.transcript import transcript  # noqa: PLC0415

    say(f"{info.session_id}, {info.agent}, revision {info.revision}")
    for line in transcript(events, sys.stdout, full=True):
        say(line)


@app.command("export")
def export(
    session_id: SessionArgument,
    agent: AgentOption = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write here.")] = None,
) -> None:
    """Print a session as JSON lines: one event each, with its revision, time (UTC microseconds) and kind."""
    from emonk.gateway.wire import encode, event_json  # noqa: PLC0415

    _, events = _load(session_id, agent)
    lines = b"".join(encode(event_json(logged)) + b"\n" for logged in events)
    if output is None:
        sys.stdout.write(lines.decode())
        return
    try:
        output.write_bytes(lines)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error


def _place(agent: str | None) -> _Place:
    """An agent of a file may keep its sessions in a store of its own."""
    from emonk.store.connect import default_url  # noqa: PLC0415  help is shown without it

    path = None if agent is None or agent in SHIPPED else agent_file(agent)
    if path is None:
        return _Place(default_url(), agent)
    from emonk.agent.file import read_agent_file  # noqa: PLC0415  names need no reader of files

    section = read_agent_file(path)
    return _Place(section.store or default_url(), section.name)


def _ask(place: _Place, query: "Callable[[Store], Coroutine[Any, Any, T]]") -> T | None:
    """What the store answers; None when nothing was ever stored, so that reading makes no files."""
    import asyncio  # noqa: PLC0415 - help is shown without it

    from emonk.store.connect import connect, sqlite_path  # noqa: PLC0415

    async def ask() -> T | None:
        if place.url.startswith("sqlite:") and not sqlite_path(place.url).exists():
            return None
        store = await connect(place.url)
        try:
            return await query(store)
        finally:
            await store.aclose()

    return asyncio.run(ask())


def _load(session_id: str, agent: str | None) -> "tuple[Session, list[Logged]]":
    place = _place(agent)

    async def query(store: "Store") -> "tuple[list[Session], list[Logged]]":
        found = await _find(store, session_id, place.agent)
        return found, await store.read(found[0].key) if len(found) == 1 else []

    found, events = _ask(place, query) or ([], [])
    if not found and agent is not None:
        raise UsageError(f"{place.agent} has no session {session_id!r}", f"see emonk sessions list --agent {agent}")
    if not found:
        hint = "see emonk sessions list; --agent PATH looks in the store of an agent.yaml"
        raise UsageError(f"there is no session {session_id!r}", hint)
    if len(found) > 1:
        names = ", ".join(info.agent for info in found)
        raise UsageError(f"several agents have a session {session_id!r}", f"add --agent with one of {names}")
    return found[0], events


async def _find(store: "Store", session_id: str, agent: str | None) -> "list[Session]":
    if agent is None:
        return await store.sessions(session_id=session_id)
    from emonk.records import SessionKey  # noqa: PLC0415

    info = await store.session(SessionKey(agent, session_id))
    return [] if info is None else [info]


def _table(found: "list[Session]") -> list[str]:
    from emonk.cli.transcript import when  # noqa: PLC0415

    rows = [("SESSION", "AGENT", "LAST ACTIVE", "MESSAGES", "TITLE")]
    for info in found:
        key = info.key
        title = one_line(info.title, TITLE_WIDTH)
        rows.append(
            (one_line(key.session_id), one_line(key.agent), when(info.last_active), str(info.message_count), title)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + [row[4]]) for row in rows]
