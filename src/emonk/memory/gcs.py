"""Files in a bucket of Cloud Storage."""

import asyncio
import importlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from emonk.errors import InvalidArguments, InvalidConfig
from emonk.memory.files import NOT_INSTALLED, File, check_path, check_prefix, check_size, conflict
from emonk.memory.gcs_errors import is_absent, is_unchanged, told

T = TypeVar("T")

TIMEOUT = (10.0, 30.0)
"""Seconds for a connection, and for the next bytes of an answer."""

CACHE_BYTES = 16 << 20
_THREADS = 8


class GcsFiles:
    """The objects of a bucket whose names begin with `prefix`; the generation is the object's own.

    What was read or written is kept in memory, and asked for again only where the bucket has another generation. Every
    write names the generation that it replaces, so that of two writers one gets `Conflict`. Nothing is tried twice
    here: a tool's guard does that. The official client blocks, and so works in threads; a call that is cancelled goes
    on to its end in its thread.
    """

    def __init__(self, bucket: str, *, prefix: str = "", client: Any = None) -> None:
        """Files of a bucket.

        Args:
            bucket: its name.
            prefix: as `agents/marketing/`; empty for the whole bucket.
            client: a `google.cloud.storage.Client`; by default one with the application default credentials.

        Raises:
            InvalidConfig: the client's library is not installed, or the prefix cannot begin a name.
            MissingCredential: there are no credentials.
        """
        self._name = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        try:
            check_path(self._prefix + "x")
        except InvalidArguments as error:
            raise InvalidConfig(f"memory.prefix is {prefix!r}", hint="write one such as agents/marketing") from error
        self._client = client or _client(bucket)
        self._bucket = self._client.bucket(bucket)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="emonk-gcs")
        self._cache = _Cache(CACHE_BYTES)

    def __repr__(self) -> str:
        return f"GcsFiles({self._name!r}, prefix={self._prefix!r})"

    async def check(self) -> None:
        """Find out whether the bucket answers.

        Raises:
            InvalidConfig: there is no such bucket.
            MissingCredential: the credentials are refused, or may not list its objects.
            Unavailable: the bucket cannot be reached.
        """
        await self._run("", lambda: self._names("", limit=1))

    async def read(self, path: str) -> File | None:
        check_path(path)
        return await self._run(path, lambda: self._read(path))

    async def write(self, path: str, data: bytes, *, expected_generation: str | None) -> File:
        check_size(check_path(path), len(data))
        expected = 0 if expected_generation is None else _number(path, expected_generation)
        return await self._run(path, lambda: self._write(path, data, expected))

    async def list(self, prefix: str = "") -> tuple[str, ...]:
        check_prefix(prefix)
        return await self._run(prefix, lambda: self._names(prefix))

    async def delete(self, path: str, *, expected_generation: str) -> None:
        expected = _number(check_path(path), expected_generation)
        await self._run(path, lambda: self._delete(path, expected))

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False)
        await asyncio.to_thread(self._client.close)

    async def _run(self, what: str, work: Callable[[], T]) -> T:
        """Do it in a thread; what the client raises becomes an error of emonk's."""

        def told_work() -> T:
            try:
                return work()
            except Exception as error:
                raise told(error, self._name, what) from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, told_work)

    def _read(self, path: str) -> File | None:
        kept = self._cache.get(path)
        blob, buffer = self._blob(path), _Bounded(path)
        try:
            blob.download_to_file(
                buffer,
                if_generation_not_match=int(kept.generation) if kept else None,
                timeout=TIMEOUT,
                retry=None,
            )
        except Exception as error:
            if kept is not None and is_unchanged(error):
                return kept
            self._cache.drop(path)
            if is_absent(error):
                return None
            raise
        return self._cache.put(File(path, buffer.getvalue(), str(blob.generation)))

    def _write(self, path: str, data: bytes, expected: int) -> File:
        blob = self._blob(path)
        kind = "text/markdown; charset=utf-8" if path.endswith(".md") else "application/octet-stream"
        try:
            blob.upload_from_string(data, content_type=kind, if_generation_match=expected, timeout=TIMEOUT, retry=None)
        except BaseException:
            self._cache.drop(path)
            raise
        return self._cache.put(File(path, data, str(blob.generation)))

    def _delete(self, path: str, expected: int) -> None:
        self._cache.drop(path)
        try:
            self._blob(path).delete(if_generation_match=expected, timeout=TIMEOUT, retry=None)
        except Exception as error:
            if is_absent(error):
                raise conflict(path) from error
            raise

    def _names(self, prefix: str, limit: int | None = None) -> tuple[str, ...]:
        found = self._client.list_blobs(
            self._bucket,
            prefix=self._prefix + prefix,
            fields="items(name),nextPageToken",
            max_results=limit,
            timeout=TIMEOUT,
            retry=None,
        )
        paths = [blob.name.removeprefix(self._prefix) for blob in found]
        return tuple(sorted(path for path in paths if _is_path(path)))

    def _blob(self, path: str) -> Any:
        return self._bucket.blob(self._prefix + path)


class _Bounded(io.BytesIO):
    """Takes no more than a file may hold: an object may be larger than the machine's memory."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def write(self, data: Any, /) -> int:
        check_size(self._path, self.tell() + len(data))
        return super().write(data)


class _Cache:
    """The files that were used last, for all threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._files: OrderedDict[str, File] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str) -> File | None:
        with self._lock:
            if path in self._files:
                self._files.move_to_end(path)
            return self._files.get(path)

    def put(self, file: File) -> File:
        with self._lock:
            self._drop(file.path)
            self._files[file.path] = file
            self._size += len(file.data)
            while self._size > self._limit:
                self._drop(next(iter(self._files)))
        return file

    def drop(self, path: str) -> None:
        with self._lock:
            self._drop(path)

    def _drop(self, path: str) -> None:
        old = self._files.pop(path, None)
        self._size -= len(old.data) if old else 0


def _client(bucket: str) -> Any:
    try:
        storage: Any = importlib.import_module("google.cloud.storage")
    except ImportError as error:
        raise InvalidConfig(
            f"the bucket {bucket} needs google-cloud-storage", hint="install emonk[gcp]", code=NOT_INSTALLED
        ) from error
    try:
        client = storage.Client()
    except Exception as error:
        raise told(error, bucket, "credentials") from error
    # Else it looks at the bucket itself, for traces, in threads of its own and with a right that nobody needs to give.
    client._bucket_metadata_cache = None  # noqa: SLF001
    return client


def _number(path: str, generation: str) -> int:
    """A generation that another backend gave is none that ever was here; 0 would mean that there is no file."""
    with suppress(ValueError):
        if 0 < (number := int(generation)) < 1 << 63:
            return number
    raise conflict(path)


def _is_path(path: str) -> bool:
    """Others may keep objects in the bucket whose names are no paths, such as those that stand for folders."""
    try:
        check_path(path)
    except InvalidArguments:
        return False
    return True
