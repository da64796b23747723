"""The documents of a Firestore database: read, looked for, and written all at once or not at all."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, cast

from emonk.clock import MICROSECONDS, SYSTEM_CLOCK
from emonk.errors import InvalidConfig
from emonk.store.firestore.address import Address
from emonk.store.firestore.errors import Moved, has_moved

ANSWER_SECONDS = 15.0
_CHANNEL = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
Fields = Mapping[str, Any]


class Found(NamedTuple):
    """A document; `updated` is when it was last written, by which a later write can tell that nobody did since."""

    name: str
    fields: Fields
    created: Any
    updated: Any


class Write(NamedTuple):
    """One document of a transaction.

    `create` wants it not to be there; `update` changes the named fields and `delete` removes it, both only if it was
    last written when `seen` says, where that is given; `put` writes it whatever was there.
    """

    kind: Literal["create", "update", "put", "delete"]
    path: str
    fields: Fields = MappingProxyType({})
    seen: Any = None


class Query(NamedTuple):
    """Documents of a collection: those that fit every `(field, operator, value)`, in the order of a field.

    With `after`, the name of a document, they are ordered by name and begin after that one.
    """

    collection: str
    where: tuple[tuple[str, str, Any], ...] = ()
    order: str = ""
    descending: bool = False
    limit: int | None = None
    after: str | None = None
    names_only: bool = False


class Documents:
    """The client of one database, for one event loop. Paths begin at the store's root, which is the empty one."""

    def __init__(self, client: Any, root: str) -> None:
        self._client = client
        self._root = root
        self._seen = 0.0
        self._seen_at = 0.0

    def server_time(self) -> int:
        """The server's time in UTC microseconds, as its answers told it; never later than it is there."""
        return int(self._seen) + int((SYSTEM_CLOCK.monotonic() - self._seen_at) * MICROSECONDS)

    async def get(self, *paths: str) -> list[Found | None]:
        """The documents, None for each that is not there."""
        places = {self._place(path): number for number, path in enumerate(paths)}
        found: list[Found | None] = [None] * len(paths)
        references = [self._client.document(place) for place in places]
        async for snapshot in self._client.get_all(references, retry=None, timeout=ANSWER_SECONDS):
            self._tell(snapshot.read_time)
            found[places[snapshot.reference.path]] = _found(snapshot) if snapshot.exists else None
        return found

    async def query(self, query: Query) -> list[Found]:
        """All documents that fit."""
        from google.cloud.firestore_v1.base_query import FieldFilter  # noqa: PLC0415 - imported with the client

        collection = self._client.collection(self._place(query.collection))
        wanted = collection
        for condition in query.where:
            wanted = wanted.where(filter=FieldFilter(*condition))
        if query.after is not None:
            wanted = wanted.order_by("__name__")
            wanted = wanted.start_after({"__name__": collection.document(query.after)}) if query.after else wanted
        elif query.order:
            wanted = wanted.order_by(query.order, direction="DESCENDING" if query.descending else "ASCENDING")
        if query.limit is not None:
            wanted = wanted.limit(query.limit)
        if query.names_only:
            wanted = wanted.select(["__name__"])
        return [_found(snapshot) async for snapshot in wanted.stream(retry=None, timeout=ANSWER_SECONDS)]

    async def write(self, writes: Sequence[Write]) -> list[Any]:
        """Write all or none; for each of them when it was last written, by which a later one can name it as `seen`.

        Raises:
            Moved: one of the documents is not as it must be.
        """
        batch = self._client.batch()
        for write in writes:
            reference = self._client.document(self._place(write.path))
            option = None if write.seen is None else self._client.write_option(last_update_time=write.seen)
            match write.kind:
                case "create":
                    batch.create(reference, write.fields)
                case "put":
                    batch.set(reference, write.fields)
                case "update":
                    batch.update(reference, write.fields, option=option)
                case "delete":
                    batch.delete(reference, option=option)
        try:
            results = await batch.commit(retry=None, timeout=ANSWER_SECONDS)
        except Exception as error:
            if has_moved(error):
                raise Moved(str(error)) from error
            raise
        self._tell(batch.commit_time)
        return [result.update_time for result in results]

    async def aclose(self) -> None:
        """Close the connection."""
        await self._client._firestore_api.transport.close()  # noqa: SLF001 - the client has no public way

    def _place(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _tell(self, moment: Any) -> None:
        if moment is None:  # not every answer of several says when it was read
            return
        told, now = moment.timestamp() * MICROSECONDS, SYSTEM_CLOCK.monotonic()
        if told > self._seen + (now - self._seen_at) * MICROSECONDS:
            self._seen, self._seen_at = told, now


async def open_documents(address: Address) -> Documents:
    """A client of the database; it connects with its first request.

    Raises:
        InvalidConfig: google-cloud-firestore is not installed.
        Exception: see `errors`.
    """
    try:
        from google.cloud import firestore  # noqa: PLC0415  only once a Firestore store is opened
    except ImportError as error:
        hint = "install emonk[firestore]"
        raise InvalidConfig(f"{address.place}: google-cloud-firestore is not installed", hint=hint) from error
    credentials = None if address.emulator else await asyncio.to_thread(_default_credentials)
    client: Any = firestore.AsyncClient(project=address.project, database=address.database, credentials=credentials)
    _connect(client, address)
    return Documents(client, address.root)


def _connect(client: Any, address: Address) -> None:
    """Give it a channel that soon tries again; by itself it would wait for up to two minutes after an outage."""
    from google.cloud.firestore_v1.services.firestore import async_client  # noqa: PLC0415 - imported with the client
    from grpc import aio  # noqa: PLC0415 - as above

    api = cast("Any", async_client.FirestoreAsyncClient)
    transport: Any = api.get_transport_class("grpc_asyncio")
    if address.emulator:
        channel: Any = aio.insecure_channel(address.emulator, options=_CHANNEL)
    else:
        channel = transport.create_channel(client._target, credentials=client._credentials, options=_CHANNEL)  # noqa: SLF001 - as it does itself
    client._firestore_api_internal = api(transport=transport(host=client._target, channel=channel))  # noqa: SLF001 - as it does itself


def _default_credentials() -> Any:
    """They may ask the metadata server, and block while they do."""
    import google.auth  # noqa: PLC0415 - imported with the client

    find = cast("Callable[..., tuple[Any, Any]]", google.auth.default)  # pyright: ignore[reportUnknownMemberType]
    return find(scopes=("https://www.googleapis.com/auth/datastore",))[0]


def _found(snapshot: Any) -> Found:
    return Found(snapshot.id, snapshot.to_dict() or {}, snapshot.create_time, snapshot.update_time)
