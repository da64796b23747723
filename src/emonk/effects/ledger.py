"""The rows of one turn: read when a crash may have left some, written with the events that they belong to."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from emonk.effects.key import effect_key
from emonk.effects.unfinished import NAMESPACE, Records, effect_of, unfinished_records
from emonk.errors import InvalidArguments
from emonk.records import Effect, EffectState, Record, SessionKey
from emonk.skills.effect import Identity
from emonk.store.record_protocol import RECORD_BYTES, Put

CONTENT_LIMIT = 40_000
"""Characters of a result or message that a row keeps; the log keeps more."""

REMOTE_ID_LIMIT = 1_000

ROW_BYTES = RECORD_BYTES - 300_000
"""Of a row without a result, which may come to six bytes for each of its characters."""

_encoder = msgspec.json.Encoder()


class Journal(Records, Protocol):
    """The writes of a turn, in its order and under its lease."""

    def put(self, put: Put) -> None:
        """Have a record written in the same commit as the events that are noted next. Never raises."""
        ...

    async def flush(self) -> None:
        """Make durable what was noted and put.

        Raises:
            InfraError, ConfigError: it could not be written.
        """
        ...

    async def record(self, namespace: str, key: str) -> Record | None:
        """One record of the store."""
        ...


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """What effects are for, and for whom; `name` is part of their keys."""

    name: str
    session: SessionKey
    user_id: str
    trace_id: str


class EffectLedger:
    """The effects of one occasion.

    A turn that begins has none; one that goes on after a crash asks the store, once for each key.
    """

    def __init__(self, occasion: Occasion, journal: Journal, *, resumed: bool) -> None:
        self._occasion = occasion
        self._journal = journal
        self._resumed = resumed
        self._rows: dict[str, tuple[Effect, int]] = {}
        self._earlier: dict[str, list[str]] | None = None

    def key(self, tool: str, identity: Identity) -> str:
        """The key of a call."""
        return effect_key(tool, identity, self._occasion.name)

    async def look(self) -> None:
        """Get to know, once, what earlier turns of the session left of which nobody knows whether it happened.

        Raises:
            InfraError, ConfigError: the store could not be asked.
        """
        if self._earlier is not None:
            return
        earlier: dict[str, list[str]] = {}
        async for record in unfinished_records(self._journal, self._occasion.session):
            effect = effect_of(record)
            if effect.occasion != self._occasion.name:
                self._rows[effect.key] = effect, record.version
                earlier.setdefault(_call_of(effect), []).append(effect.key)
        self._earlier = earlier

    def earlier(self, effect: Effect) -> Sequence[Effect]:
        """Of what `look` found, the same call in the same name, as long as nobody knows whether it happened."""
        if not self._earlier:
            return ()
        rows = (self._rows[key][0] for key in self._earlier.get(_call_of(effect), ()))
        return [row for row in rows if is_open(row)]

    async def reread(self, key: str) -> Effect:
        """A row as it is now: somebody else may have settled it.

        Raises:
            InfraError, ConfigError: the store could not be asked.
        """
        record = await self._journal.record(NAMESPACE, key)
        if record is not None and record.version > self._rows[key][1]:
            self._rows[key] = effect_of(record), record.version
        return self._rows[key][0]

    async def find(self, key: str) -> None:
        """Get to know the row of a key, if there is one.

        Raises:
            InfraError, ConfigError: the store could not be asked.
        """
        if key not in self._rows and self._resumed:
            record = await self._journal.record(NAMESPACE, key)
            if record is not None:
                self._rows[key] = effect_of(record), record.version

    def known(self, key: str) -> Effect | None:
        """The row of a key that `find` found or that was written."""
        row = self._rows.get(key)
        return row and row[0]

    def adopt(self, effect: Effect) -> None:
        """Take a row for one that is there, though it was never written; its next state is its first write."""
        self._rows[effect.key] = effect, 0

    def checked(self, effect: Effect) -> Effect:
        """A new row.

        Raises:
            InvalidArguments: with the names of session, user and message it is too long to be kept.
        """
        size = len(_encoder.encode(effect))
        if size > ROW_BYTES:
            raise InvalidArguments(f"a call of {effect.tool} cannot be kept: it has {size} bytes, at most {ROW_BYTES}")
        return effect

    def new(self, key: str, tool: str, identity: Identity, at: int) -> Effect:
        """A row that is not written yet; `at` is UTC microseconds."""
        occasion = self._occasion
        return Effect(
            key=key,
            session=occasion.session,
            user_id=occasion.user_id,
            trace_id=occasion.trace_id,
            tool=tool,
            arguments=identity.arguments,
            occasion=occasion.name,
            created_at=at,
            updated_at=at,
            account=identity.account,
        )

    def write(self, effect: Effect) -> Effect:
        """Have a row written with the events that follow; as it is kept, with a result cut to `CONTENT_LIMIT`."""
        effect = shortened(effect)
        version = self._rows[effect.key][1] if effect.key in self._rows else 0
        self._journal.put(put_of(effect, version))
        self._rows[effect.key] = effect, version + 1
        return effect


def is_open(effect: Effect) -> bool:
    """It was sent, and nobody knows whether it happened."""
    return effect.state in (EffectState.SENDING, EffectState.UNKNOWN)


def shortened(effect: Effect) -> Effect:
    """With a result that a row can hold."""
    return msgspec.structs.replace(
        effect,
        content=_kept(effect.content, CONTENT_LIMIT),
        error=_kept(effect.error, REMOTE_ID_LIMIT),
        remote_id=_kept(effect.remote_id, REMOTE_ID_LIMIT),
    )


def put_of(effect: Effect, version: int) -> Put:
    """The write of a row over the given version of it."""
    return Put(
        namespace=NAMESPACE,
        key=effect.key,
        data=_encoder.encode(effect),
        expected_version=version,
        session=effect.session,
        state=effect.state,
    )


def _call_of(effect: Effect) -> str:
    """The same for the same call in the same name, whatever it is for."""
    return effect_key(effect.tool, Identity(effect.account, effect.arguments), "")


def _kept(text: str, limit: int) -> str:
    """Without half characters, and cut in the middle where it is too long."""
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n[... {len(text) - limit} characters left out ...]\n{text[-half:]}"
    return text.encode(errors="backslashreplace").decode()
