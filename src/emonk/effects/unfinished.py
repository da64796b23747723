"""Which effects of a session are not at their end."""

from collections.abc import AsyncGenerator
from typing import Final, Protocol

import msgspec

from emonk.records import Effect, EffectState, Record, SessionKey
from emonk.store.record_protocol import RecordStore

NAMESPACE: Final = "effects"
"""Of the records that hold the ledger."""

PAGE = 100

_decoder = msgspec.json.Decoder(Effect)


class Records(Protocol):
    """Where the records of sessions can be read by their states, as in `RecordStore`."""

    async def records(
        self,
        namespace: str,
        *,
        session: SessionKey | None = None,
        state: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> list[Record]:
        """In the order of their keys, from the first after `after`."""
        ...


def effect_of(record: Record) -> Effect:
    """The effect that a record holds."""
    return _decoder.decode(record.data)


async def unfinished(store: RecordStore, session: SessionKey) -> list[Effect]:
    """The effects of a session of which nobody can say yet whether they happened: it must not be deleted before."""
    return [effect_of(record) async for record in unfinished_records(store, session)]


async def unfinished_records(store: Records, session: SessionKey | None = None) -> AsyncGenerator[Record]:
    """The records of effects that are `sending` or `unknown`, of one session or of all."""
    for state in (EffectState.SENDING, EffectState.UNKNOWN):
        after = ""
        while page := await store.records(NAMESPACE, session=session, state=state, after=after, limit=PAGE):
            for record in page:
                yield record
            after = page[-1].key
