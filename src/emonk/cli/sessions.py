"""`emonk sessions`: what was said, to read and to take away."""

import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from emonk.cli.terminal import one_line, say
from emonk.cli.trouble import UsageError

if TYPE_CHECKING:
    from emonk.events import Logged
    from emonk.store.protocol import SessionInfo, Store

T = TypeVar("T")
TITLE_WIDTH = 48
PAGE = 500

app = typer.Typer(help="List, show and export sessions.", add_completion=False, rich_markup_mode=None)

AgentOption = Annotated[str | None, typer.Option("--agent", help="Only sessions of this agent.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SessionArgument = Annotated[str, typer.Argument(metavar="ID", help="As `emonk sessions list` shows it.")]


@app.command("list")
def list_sessions(
    agent: AgentOption = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 50,
    as_json: JsonOption = False,
) -> None:
    """List sessions, last active first."""
    found = _with_store(lambda store: store.sessions(agent=agent, limit=limit)) or []
    if as_json:
        from emonk.gateway.wire import encode, session_json  # noqa: PLC0415

        say(encode([session_json(info) for info in found]).decode())
    elif found:
        for row in _table(found):
            say(row)
    else:
        say(f"no sessions of {agent} yet" if agent else "no sessions yet")


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

    say(f"{info.session.session_id}, {info.session.agent}, revision {info.revision}")
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


def _with_store(query: "Callable[[Store], Coroutine[Any, Any, T]]") -> T | None:
    """What the store answers; None when nothing was ever stored, so that reading makes no files."""
    import asyncio  # noqa: PLC0415 - help is shown without it

    from emonk.store.connect import connect, default_url, sqlite_path  # noqa: PLC0415

    async def ask() -> T | None:
        if not sqlite_path(default_url()).exists():
            return None
        store = await connect(default_url())
        try:
            return await query(store)
        finally:
            await store.aclose()

    return asyncio.run(ask())


def _load(session_id: str, agent: str | None) -> "tuple[SessionInfo, list[Logged]]":
    async def query(store: "Store") -> "tuple[list[SessionInfo], list[Logged]]":
        found = [info async for info in _every(store, agent) if info.session.session_id == session_id]
        return found, await store.read(found[0].session) if len(found) == 1 else []

    found, events = _with_store(query) or ([], [])
    if not found:
        raise UsageError(f"there is no session {session_id!r}", "emonk sessions list shows those there are")
    if len(found) > 1:
        names = ", ".join(info.session.agent for info in found)
        raise UsageError(f"several agents have a session {session_id!r}", f"add --agent with one of {names}")
    return found[0], events


async def _every(store: "Store", agent: str | None) -> "AsyncIterator[SessionInfo]":
    before = None
    while page := await store.sessions(agent=agent, limit=PAGE, before=before):
        for info in page:
            yield info
        before = page[-1].last_active


def _table(found: "list[SessionInfo]") -> list[str]:
    from emonk.cli.transcript import when  # noqa: PLC0415

    rows = [("SESSION", "AGENT", "LAST ACTIVE", "MESSAGES", "TITLE")]
    for info in found:
        key = info.session
        title = one_line(info.title, TITLE_WIDTH)
        rows.append(
            (one_line(key.session_id), one_line(key.agent), when(info.last_active), str(info.message_count), title)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + [row[4]]) for row in rows]
