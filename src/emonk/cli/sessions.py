"""`emonk sessions`: what was said, to read and to take away."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emonk.cli import session_changes
from emonk.cli.session_place import AgentOption, JsonOption, SessionArgument, ask, place_of, with_session
from emonk.cli.terminal import one_line, say
from emonk.cli.trouble import UsageError

if TYPE_CHECKING:
    from emonk.events import Logged
    from emonk.records import Session
    from emonk.store.protocol import Store

GAP = "  "
TITLE_WIDTH = 48
TITLE_LEAST = 12
"""Where a terminal leaves a title fewer cells, it says nothing and is left out."""

app = typer.Typer(
    help="List, show, export, import, rename, delete and prune sessions.", add_completion=False, rich_markup_mode=None
)


@app.command("list")
def list_sessions(
    agent: AgentOption = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 50,
    *,
    user: Annotated[str | None, typer.Option("--user", help="Only those in which this user has a part.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List sessions, last active first."""
    place = place_of(agent)
    found = ask(place, lambda store: store.sessions(agent=place.agent, user_id=user, limit=limit)) or []
    if as_json:
        from emonk.gateway.wire import encode, session_json  # noqa: PLC0415

        say(encode([session_json(info) for info in found]).decode())
    elif found:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for row in table(found, width):
            say(row)
    else:
        say(f"no sessions of {place.agent} yet" if place.agent else "no sessions yet")


@app.command("show")
def show(
    session_id: SessionArgument,
    agent: AgentOption = None,
    after: Annotated[int, typer.Option("--after", metavar="REVISION", help="Only what came after it.", min=0)] = 0,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many events.", min=1)] = None,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Whole arguments and results, thoughts, and unknown events.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a conversation: what was said, what the tools did, where the context was cut, what each step cost."""

    async def query(store: "Store", info: "Session") -> "tuple[Session, list[Logged]]":
        return info, await store.read(info.key, after=after, limit=limit)

    info, events = with_session(session_id, agent, query)
    if as_json:
        from emonk.gateway.wire import encode, event_json, session_json  # noqa: PLC0415

        whole = {**session_json(info), "events": [event_json(logged) for logged in events]}
        say(encode(whole).decode())
        return
    from emonk.cli.conversation import Conversation  # noqa: PLC0415

    conversation = Conversation(events, sys.stdout, full=full)
    for part in (conversation.head(info), conversation.lines(), conversation.foot()):
        for line in part:
            say(line)
    if after and not events:
        say(f"[nothing after revision {after}]")
    if limit is not None and events and events[-1].revision < info.revision:
        say(f"\n[go on with --after {events[-1].revision}]")


@app.command("export")
def export(
    session_id: SessionArgument,
    agent: AgentOption = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write here.")] = None,
) -> None:
    """Print a session as JSON lines: one that describes it, then each event with its revision, time and kind.

    Times are UTC microseconds. `emonk sessions import` reads it.
    """
    from emonk.agent.sessions import AgentSessions  # noqa: PLC0415

    async def query(store: "Store", info: "Session") -> list[bytes]:
        return [line async for line in AgentSessions(info.agent, lambda: store).export(info.session_id)]

    lines = b"".join(with_session(session_id, agent, query))
    if output is None:
        sys.stdout.write(lines.decode())
        return
    try:
        output.write_bytes(lines)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error


app.command("import")(session_changes.import_session)
app.command("rename")(session_changes.rename)
app.command("delete")(session_changes.delete)
app.command("prune")(session_changes.prune)


def table(found: "list[Session]", width: int | None = None) -> list[str]:
    """A heading and a row for each session; titles get what `width` leaves, and are left out where that is little."""
    from emonk.cli.amounts import when  # noqa: PLC0415
    from emonk.cli.columns import cells, clipped  # noqa: PLC0415

    rows = [("SESSION", "AGENT", "LAST ACTIVE", "MESSAGES", "TITLE")]
    for info in found:
        key = info.key
        title = one_line(info.title, TITLE_WIDTH)
        rows.append(
            (one_line(key.session_id), one_line(key.agent), when(info.last_active), str(info.message_count), title)
        )
    widths = [max(cells(row[column]) for row in rows) for column in range(4)]
    room = TITLE_WIDTH if width is None else min(width - sum(widths) - 4 * len(GAP), TITLE_WIDTH)
    lines: list[str] = []
    for *row, title in rows:
        padded = [cell + " " * (most - cells(cell)) for cell, most in zip(row, widths, strict=True)]
        if width is None:
            padded.append(title)
        elif room >= TITLE_LEAST:
            padded.append(clipped(title, room))
        lines.append(GAP.join(padded).rstrip())
    return lines
