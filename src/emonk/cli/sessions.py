"""`emonk sessions`: what was said, to read and to take away."""

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

TITLE_WIDTH = 48

app = typer.Typer(
    help="List, show, export, import, rename and delete sessions.", add_completion=False, rich_markup_mode=None
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
        for row in _table(found):
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


def _table(found: "list[Session]") -> list[str]:
    from emonk.cli.amounts import when  # noqa: PLC0415

    rows = [("SESSION", "AGENT", "LAST ACTIVE", "MESSAGES", "TITLE")]
    for info in found:
        key = info.key
        title = one_line(info.title, TITLE_WIDTH)
        rows.append(
            (one_line(key.session_id), one_line(key.agent), when(info.last_active), str(info.message_count), title)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + [row[4]]) for row in rows]
