"""Files in the agent's own store, as records: nothing else to set up, and shared by all that share the store."""

from emonk.errors import Conflict
from emonk.memory.files import File, check_path, check_prefix, check_size, conflict
from emonk.records import Record
from emonk.store.record_protocol import Put, RecordStore

_PAGE = 100
_THERE = "there"
_REMOVED = "removed"


class StoredFiles:
    """The records of namespace `files:AGENT`; the generation is the record's version.

    A removed file leaves an empty record behind, so that its versions go on where they were: else a writer who saw
    the file before it was removed could take a new one for it.
    """

    def __init__(self, store: RecordStore, agent: str) -> None:
        self._store = store
        self._namespace = f"files:{agent}"

    def __repr__(self) -> str:
        return f"StoredFiles({self._namespace!r})"

    async def read(self, path: str) -> File | None:
        record = await self._store.record(self._namespace, check_path(path))
        return _file(record) if record is not None and record.state == _THERE else None

    async def write(self, path: str, data: bytes, *, expected_generation: str | None) -> File:
        check_size(check_path(path), len(data))
        if expected_generation is not None:
            return _file(await self._put(path, data, _version(path, expected_generation), _THERE))
        record = await self._store.record(self._namespace, path)
        version = record.version if record is not None and record.state == _REMOVED else 0
        return _file(await self._put(path, data, version, _THERE))

    async def list(self, prefix: str = "") -> tuple[str, ...]:
        check_prefix(prefix)
        paths: tuple[str, ...] = ()
        after = ""
        while True:
            page = await self._store.records(self._namespace, prefix=prefix, state=_THERE, after=after, limit=_PAGE)
            paths += tuple(record.key for record in page)
            if len(page) < _PAGE:
                return paths
            after = paths[-1]

    async def delete(self, path: str, *, expected_generation: str) -> None:
        record = await self._store.record(self._namespace, check_path(path))
        if record is None or record.state == _REMOVED:
            raise conflict(path)
        await self._put(path, b"", _version(path, expected_generation), _REMOVED)

    async def aclose(self) -> None:
        """The store belongs to the agent."""

    async def _put(self, path: str, data: bytes, version: int, state: str) -> Record:
        put = Put(namespace=self._namespace, key=path, data=data, expected_version=version, state=state)
        try:
            return (await self._store.put([put]))[0]
        except Conflict as error:
            raise conflict(path) from error


def _version(path: str, generation: str) -> int:
    """A generation that another backend gave is none that ever was here."""
    if not (generation.isascii() and generation.isdecimal() and 0 < len(generation) < 19 and int(generation)):
        raise conflict(path)
    return int(generation)


def _file(record: Record) -> File:
    return File(record.key, record.data, str(record.version))
