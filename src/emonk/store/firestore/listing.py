"""Listings of a Firestore store's sessions."""

from typing import Any, NamedTuple

from emonk.records import Session
from emonk.store.firestore.documents import Documents, Found, Query
from emonk.store.firestore.layout import SESSIONS, digest, name_of
from emonk.store.firestore.state import held, info


class Wanted(NamedTuple):
    """Which sessions to list; None is any."""

    agent: str | None
    user_id: str | None
    session_id: str | None

    def where(self) -> tuple[tuple[str, str, Any], ...]:
        """The conditions on their documents."""
        conditions: list[tuple[str, str, Any]] = []
        if self.agent is not None:
            conditions.append(("agent", "==", digest(self.agent).hex()))
        if self.session_id is not None:
            conditions.append(("session", "==", name_of(self.session_id)))
        if self.user_id is not None:
            conditions.append(("users", "array_contains", name_of(self.user_id)))
        return tuple(conditions)


async def sessions(documents: Documents, wanted: Wanted, limit: int, before: int | None) -> list[Session]:
    """A page of sessions; see `Store.sessions`. Those active in the last one's microsecond are looked for beside."""
    if limit <= 0:
        return []
    where = wanted.where()
    earlier = () if before is None else (("last_active", "<", before),)
    page = await documents.query(Query(SESSIONS, (*where, *earlier), "last_active", descending=True, limit=limit))
    if len(page) == limit:
        last: int = page[-1].fields["last_active"]
        same = await documents.query(Query(SESSIONS, (*where, ("last_active", "==", last))))
        page = [one for one in page if one.fields["last_active"] > last] + same
    return [info(held(one).state) for one in sorted(page, key=_last_first)]


def _last_first(found: Found) -> tuple[int, str]:
    return -found.fields["last_active"], found.name
