"""The sessions of an agent, each seen by those only who have a part in it."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import msgspec

from emonk.agent.lines import PAGE, encode, event_json, header, read_lines
from emonk.agent.parts import check_text
from emonk.agent.pruning import UNSURE, Pruned, prune, tool_of_effect
from emonk.errors import InvalidArguments, InvalidConfig, SessionNotFound, Unavailable
from emonk.events import Logged, Summarised, UserSaid
from emonk.ids import uuid7
from emonk.records import Session, SessionKey
from emonk.store.grant import short_title
from emonk.store.protocol import Store

EFFECTS_OPEN = "effects_open"


class SessionPage(msgspec.Struct, frozen=True):
    """Sessions, last active first; `before`, given back to `list`, pages on, None where there are no more."""

    sessions: tuple[Session, ...]
    before: int | None


class AgentSessions:
    """Everything that can be done with sessions but talking in them.

    Where a `user_id` is given, a session in which that user has no part is not found. Without one, as for an
    operator, all of the agent's are there.
    """

    def __init__(self, agent: str, store: Callable[[], Store]) -> None:
        self._agent = agent
        self._store = store

    async def create(
        self,
        user_id: str = "local",
        *,
        session_id: str | None = None,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Session:
        """Begin a session before its first message.

        Raises:
            Conflict: there is one of that name.
            InvalidArguments: a text that cannot be stored.
            InvalidConfig: metadata that is no JSON, or too long.
        """
        check_text(user_id, session_id, title)
        key = self._key(session_id or uuid7())
        return await self._store().create(key, user_id=user_id, title=title, metadata=metadata)

    async def load(self, session_id: str, *, user_id: str | None = None) -> Session:
        """What is known of a session beside its log.

        Raises:
            SessionNotFound: there is none, or the user has no part in it.
        """
        check_text(session_id, user_id)
        found = await self._store().session(self._key(session_id))
        if found is None or (user_id is not None and user_id not in found.participants):
            raise SessionNotFound(f"there is no session {session_id!r:.80}")
        return found

    async def list(self, user_id: str | None = None, *, limit: int = 50, before: int | None = None) -> SessionPage:
        """A page of sessions, of those in which the user has a part if one is given."""
        check_text(user_id)
        if limit < 1:
            raise InvalidArguments(f"a page of {limit} sessions has none", hint="limit is at least 1")
        found = await self._store().sessions(agent=self._agent, user_id=user_id, limit=limit, before=before)
        return SessionPage(tuple(found), found[-1].last_active if len(found) >= limit else None)

    async def rename(self, session_id: str, title: str, *, user_id: str | None = None) -> Session:
        """Give it another title, which is cut to one line of `TITLE_LENGTH` characters.

        Raises:
            SessionNotFound: as `load` does.
        """
        return await self.describe(session_id, title=title, user_id=user_id)

    async def describe(
        self,
        session_id: str,
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        user_id: str | None = None,
    ) -> Session:
        """Change the title or the metadata, whichever is given.

        Raises:
            SessionNotFound: as `load` does.
            InvalidConfig: metadata that is no JSON, or too long.
        """
        check_text(title)
        session = await self.load(session_id, user_id=user_id)
        changed = await self._store().describe(session.key, title=title, metadata=metadata)
        if changed is None:
            raise SessionNotFound(f"there is no session {session_id!r:.80}")
        return changed

    async def delete(self, session_id: str, *, user_id: str | None = None) -> None:
        """Remove a session and all that belongs to it: log, waiting messages, records. What it cost stays on the bill.

        Raises:
            SessionNotFound: as `load` does.
            Unavailable: `session_busy`, a turn runs; `effects_open`, it is not known whether one of its effects acted.
        """
        session = await self.load(session_id, user_id=user_id)
        tool = await tool_of_effect(self._store(), session.key, UNSURE)
        if tool is not None:
            raise Unavailable(
                f"session {session_id!r:.80} has an effect ({tool}) whose outcome is open",
                hint="see emonk effects list",
                code=EFFECTS_OPEN,
            )
        if not await self._store().delete(session.key):
            raise SessionNotFound(f"there is no session {session_id!r:.80}")

    async def export(self, session_id: str, *, user_id: str | None = None) -> AsyncIterator[bytes]:
        """The session as JSON lines with their ends: a header, then its events up to the revision of the header.

        Raises:
            SessionNotFound: as `load` does.
        """
        session = await self.load(session_id, user_id=user_id)
        yield header(session) + b"\n"
        seen = 0
        while seen < session.revision:
            page = await self._store().read(session.key, after=seen, limit=min(PAGE, session.revision - seen))
            if not page:
                raise SessionNotFound(f"session {session_id!r:.80} was deleted while it was read")
            for logged in page:
                yield encode(event_json(logged)) + b"\n"
            seen = page[-1].revision

    async def import_(
        self,
        lines: "AsyncIterator[str | bytes] | Iterable[str | bytes]",
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        name: str = "line",
    ) -> Session:
        """Write what `export` gave as a session of this agent, whole or not at all.

        Args:
            lines: of this version or an earlier one.
            session_id: another name than it had.
            user_id: takes part in it, too.
            name: what messages call the lines: `NAME:NUMBER`.

        Raises:
            Conflict: there is a session of that name.
            InvalidConfig: naming the line that is wrong.
        """
        check_text(session_id, user_id)
        read = await read_lines(lines, name)
        if not read.events and read.session is None:
            raise InvalidConfig(f"{name}:1: there is no event")
        session = self._restored(read.session, read.events, session_id, user_id)
        await self._store().restore(session, read.events)
        return session

    async def prune(
        self, idle_since: int, *, limit: int = 100, before: int | None = None, dry_run: bool = False
    ) -> Pruned:
        """Remove sessions that were not active after `idle_since` (UTC microseconds); see `emonk.agent.pruning`."""
        return await prune(self._store(), self._agent, idle_since, limit=limit, before=before, dry_run=dry_run)

    def _restored(
        self, known: Session | None, events: tuple[Logged, ...], session_id: str | None, user_id: str | None
    ) -> Session:
        said = [logged.event for logged in events if isinstance(logged.event, UserSaid)]
        users = [
            *(known.participants if known else ()),
            *(one.user_id for one in said),
            *([user_id] if user_id else ()),
        ]
        participants = tuple(dict.fromkeys(users)) or ("local",)
        times = [logged.at for logged in events]
        return Session(
            agent=self._agent,
            session_id=session_id or (known.session_id if known else uuid7()),
            user_id=participants[0],
            participants=participants,
            created_at=known.created_at if known else times[0],
            last_active=known.last_active if known else times[-1],
            revision=len(events),
            message_count=len(said),
            title=short_title(known.title) if known else "",
            token_count=known.token_count if known else 0,
            context_compressed=any(isinstance(logged.event, Summarised) for logged in events),
            metadata=known.metadata if known else {},
        )

    def _key(self, session_id: str) -> SessionKey:
        return SessionKey(self._agent, session_id)
