"""Bytes of any length, where a document takes 1 MiB and a request 10 MiB (an emulator's 4 MiB).

What is short lies in the document that it belongs to. What is long is cut into parts, each a document of its own, which
are written before that one under a name that nobody else uses: only with it they come to be seen.
"""

from collections.abc import Sequence

from emonk.store.firestore.documents import Documents, Fields, Write
from emonk.store.firestore.layout import PARTS

PART_BYTES = 800_000
REQUEST_BYTES = 3_000_000
_AT_ONCE = REQUEST_BYTES // PART_BYTES


class Packing:
    """What one transaction writes, so that it stays within a request."""

    def __init__(self, documents: Documents, log: str, attempt: str) -> None:
        """Prepare for documents under `log`; `attempt` names the transaction."""
        self._documents = documents
        self._log = log
        self._attempt = attempt
        self._room = REQUEST_BYTES
        self._count = 0

    async def pack(self, data: bytes) -> Fields:
        """The fields that stand for the bytes."""
        if len(data) <= min(PART_BYTES, self._room):
            self._room -= len(data)
            return {"data": data}
        name, pieces = f"{self._attempt}-{self._count}", _cut(data)
        self._count += 1
        writes = [Write("put", _path(self._log, name, number), {"data": piece}) for number, piece in enumerate(pieces)]
        for start in range(0, len(writes), _AT_ONCE):
            await self._documents.write(writes[start : start + _AT_ONCE])
        return {"parts": name, "count": len(pieces)}


async def unpack(documents: Documents, log: str, fields: Sequence[Fields]) -> list[bytes]:
    """The bytes that stand in each of the fields."""
    return [
        await _joined(documents, log, one["parts"], one["count"]) if "parts" in one else one["data"] for one in fields
    ]


async def _joined(documents: Documents, log: str, name: str, count: int) -> bytes:
    found = await documents.get(*(_path(log, name, number) for number in range(count)))
    return b"".join(part.fields["data"] for part in found if part is not None)


def _cut(data: bytes) -> list[bytes]:
    return [data[start : start + PART_BYTES] for start in range(0, len(data), PART_BYTES)]


def _path(log: str, name: str, number: int) -> str:
    return f"{log}/{PARTS}/{name}-{number:04d}"
