"""`emonk sessions import | rename | delete | prune`: what changes what is kept."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from emonk.cli.session_place import AgentOption, SessionArgument, ask, place_of, with_session
from emonk.cli.terminal import note, one_line, say
from emonk.cli.trouble import FAILED, UsageError

if TYPE_CHECKING:
    from emonk.agent.pruning import Pruned
    from emonk.cli.session_place import Place
    from emonk.records import Session
    from emonk.store.protocol import Store

NAME_WIDTH = 80
NAMED = 3
"""So many names of sessions that stay are told."""


def import_session(
    file: Annotated[str, typer.Argument(metavar="FILE", help="As export wrote it; - is standard input.")],
    agent: AgentOption = None,
    session_id: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Another name than the session had.")
    ] = None,
) -> None:
    """Bring back an exported session, whole or not at all. Without --agent it goes to the agent that it belonged to."""
    from emonk.agent.lines import names  # noqa: PLC0415  help is shown without it
    from emonk.agent.sessions import AgentSessions  # noqa: PLC0415 - as above
    from emonk.cli.amounts import counted  # noqa: PLC0415 - as above
    from emonk.errors import Conflict  # noqa: PLC0415 - as above

    if session_id is not None and not (session_id.strip() and session_id.isprintable()):
        raise UsageError("the session has no usable name")
    name = "standard input" if file == "-" else file
    with _opened(file) as source:
        lines = source.readlines()
    place = place_of(agent)
    agent_named, session_named = names(lines[0] if lines else b"")
    owner = place.agent or agent_named
    if not (owner and owner.isprintable()):
        raise UsageError(f"{name} does not say whose session it is", "add --agent")
    if session_id is None and not (session_named or "x").isprintable():
        raise UsageError(f"{name} gives the session no usable name", "add --as NEW_ID")

    async def query(store: "Store") -> "Session":
        sessions = AgentSessions(owner, lambda: store)
        try:
            return await sessions.import_(lines, session_id=session_id, name=name)
        except Conflict as error:
            raise UsageError(f"{one_line(owner)} has a session of that name already", "add --as NEW_ID") from error

    made = ask(place, query, anew=True)
    if made is not None:
        say(made.session_id)
        note(f"imported {one_line(made.session_id)} of {one_line(made.agent)}, {counted(made.revision, 'event')}")


def rename(
    session_id: SessionArgument,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="One line.")],
    agent: AgentOption = None,
) -> None:
    """Give a session another title."""
    from emonk.agent.sessions import AgentSessions  # noqa: PLC0415 - as above

    if not title.strip():
        raise UsageError("the title is empty")

    async def query(store: "Store", info: "Session") -> "Session":
        return await AgentSessions(info.agent, lambda: store).rename(info.session_id, title)

    say(one_line(with_session(session_id, agent, query).title))


def delete(
    session_id: SessionArgument,
    agent: AgentOption = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Delete a session with all that belongs to it. What it cost stays on the bill."""
    from emonk.agent.sessions import EFFECTS_OPEN, AgentSessions  # noqa: PLC0415 - as above
    from emonk.errors import Unavailable  # noqa: PLC0415 - as above

    async def known(_store: "Store", info: "Session") -> "Session":
        return info

    info = with_session(session_id, agent, known)
    if not yes and not _agreed(_described(info)):
        note("not deleted")
        return FAILED

    async def query(store: "Store", info: "Session") -> None:
        try:
            await AgentSessions(info.agent, lambda: store).delete(info.session_id)
        except Unavailable as error:
            if agent is not None and error.code == EFFECTS_OPEN:
                error.hint = f"{error.hint} --agent {agent}"
            raise

    with_session(session_id, agent, query)
    say(f"deleted {one_line(info.session_id)}")
    return 0


def prune(
    older_than: Annotated[str, typer.Option("--older-than", metavar="AGE", help="Such as 90d, 12h or 30m.")],
    agent: AgentOption = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Delete sessions that were idle for longer than that, but none in which something is unfinished."""
    from emonk.agent.expiry import age  # noqa: PLC0415 - as above
    from emonk.clock import MICROSECONDS, timestamp  # noqa: PLC0415 - as above

    place = place_of(agent)
    idle_since = timestamp() - round(age("--older-than", older_than) * MICROSECONDS)
    if not (dry_run or yes):
        _need_somebody()
        found = _pruned(place, idle_since, dry_run=True, quiet=True)
        if found.sessions and not _agreed(_how_many(found.sessions)):
            note("not deleted")
            return FAILED
    gone = _pruned(place, idle_since, dry_run=dry_run)
    note(f"{len(gone.sessions)} {'would be ' if dry_run else ''}deleted{_left(gone.kept)}")
    return 0


def _pruned(place: "Place", idle_since: int, *, dry_run: bool, quiet: bool = False) -> "Pruned":
    """All pages of it; each deletion is told as soon as it is done, unless that is to be `quiet`."""
    from emonk.agent.pruning import Pruned  # noqa: PLC0415 - as above
    from emonk.agent.pruning import prune as prune_page  # noqa: PLC0415 - as above

    async def query(store: "Store") -> "Pruned":
        gone: list[Session] = []
        kept: list[Session] = []
        before = None
        while True:
            page = await prune_page(store, place.agent, idle_since, before=before, dry_run=dry_run)
            gone += page.sessions
            kept += page.kept
            before = page.before
            if not quiet:
                _tell(page, dry_run=dry_run)
            if before is None:
                return Pruned(tuple(gone), None, tuple(kept))

    return ask(place, query) or Pruned((), None)


def _tell(page: "Pruned", *, dry_run: bool) -> None:
    from emonk.cli.amounts import when  # noqa: PLC0415 - as above

    for info in page.sessions:
        did = "would delete" if dry_run else "deleted"
        name = f"{one_line(info.session_id)} of {one_line(info.agent)}"
        say(f"{did} {name}, last active {when(info.last_active)}: {one_line(info.title, NAME_WIDTH)}")


def _how_many(found: "Sequence[Session]") -> str:
    from emonk.cli.amounts import counted  # noqa: PLC0415 - as above

    agents = {info.agent for info in found}
    of = one_line(found[0].agent, NAME_WIDTH) if len(agents) == 1 else counted(len(agents), "agent")
    return f"{counted(len(found), 'session')} of {of}"


def _left(kept: "Sequence[Session]") -> str:
    if not kept:
        return ""
    names = ", ".join(one_line(info.session_id, NAME_WIDTH) for info in kept[:NAMED])
    more = f" and {len(kept) - NAMED} more" if len(kept) > NAMED else ""
    return f", {len(kept)} kept: something is open in {'it' if len(kept) == 1 else 'them'} ({names}{more})"


def _need_somebody() -> None:
    if not sys.stdin.isatty():
        raise UsageError("deleting needs a yes", "add --yes where nobody can be asked")


def _agreed(what: str) -> bool:
    _need_somebody()
    sys.stderr.write(f"delete {what}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _described(info: "Session") -> str:
    from emonk.cli.amounts import counted  # noqa: PLC0415 - as above

    name = f"{one_line(info.session_id, NAME_WIDTH)} of {one_line(info.agent)}"
    return f"{name}, {counted(info.message_count, 'message')}: {one_line(info.title, NAME_WIDTH)}"


@contextmanager
def _opened(file: str) -> "Generator[BinaryIO]":
    try:
        if file == "-":
            yield sys.stdin.buffer
        else:
            with Path(file).open("rb") as opened:
                yield opened
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
