"""Documents in the order of their keys, which can be longer than what an index keeps.

A field holds a head, which is equal for all that can be asked for together, and the key's first bytes in UTF-8: they
sort as code points do. Keys that begin with the very same `WIDTH` bytes are fetched together and sorted here.
"""

from collections.abc import Callable
from typing import NamedTuple

from emonk.store.firestore.documents import Documents, Found, Query
from emonk.store.firestore.layout import after_all

WIDTH = 1000
"""Bytes; of a longer value than 1,500 bytes an index keeps only a part: https://firebase.google.com/docs/firestore/quotas"""


class Keys(NamedTuple):
    """Which keys: those that start with `prefix`, from the first after `after`."""

    prefix: str
    after: str
    limit: int


class Range(NamedTuple):
    """The documents of a collection that have `head` at the start of a field."""

    collection: str
    field: str
    head: bytes


def place(head: bytes, key: str) -> bytes:
    """What the field holds for a key."""
    return head + key.encode()[:WIDTH]


async def listed(documents: Documents, within: Range, wanted: Keys, key_of: Callable[[Found], str]) -> list[Found]:
    """The documents with those keys, in order."""
    if wanted.limit <= 0:
        return []
    start, after = place(within.head, wanted.prefix), place(within.head, wanted.after)
    found: dict[str, Found] = {}
    for page in (await _alike(documents, within, after), await _page(documents, within, start, after, wanted)):
        found.update((one.name, one) for one in page)
    keyed = [(key_of(one), one) for one in found.values()]
    fitting = [(key, one) for key, one in keyed if key > wanted.after and key.startswith(wanted.prefix)]
    return [one for _, one in sorted(fitting, key=lambda entry: entry[0])][: wanted.limit]


async def _page(documents: Documents, within: Range, start: bytes, after: bytes, wanted: Keys) -> list[Found]:
    if len(wanted.prefix.encode()) > WIDTH:
        return await _alike(documents, within, start)
    first = (within.field, ">", after) if wanted.after and after >= start else (within.field, ">=", start)
    where = (first, (within.field, "<", after_all(start)))
    page = await documents.query(Query(within.collection, where, within.field, limit=wanted.limit))
    if len(page) == wanted.limit:
        page += await _alike(documents, within, page[-1].fields[within.field])
    return page


async def _alike(documents: Documents, within: Range, value: bytes) -> list[Found]:
    """Those whose key was cut to the same bytes; none where nothing was cut."""
    if len(value) < len(within.head) + WIDTH:
        return []
    return await documents.query(Query(within.collection, ((within.field, "==", value),)))
