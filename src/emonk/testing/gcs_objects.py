"""The objects of the Cloud Storage stand-in: names, generations, preconditions and checksums as Google has them.

Sources: https://cloud.google.com/storage/docs/json_api/v1/objects, .../request-preconditions, .../objects#naming.
"""

import base64
import hashlib
import importlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from emonk.clock import MICROSECONDS, Clock

Json = dict[str, Any]

_PRECONDITION = "At least one of the pre-conditions you specified did not hold."
_TOO_FAST = (
    "The object {} exceeded the rate limit for object mutation operations (create, update, and delete). "
    "Please reduce your request rate. See https://cloud.google.com/storage/docs/gcs429."
)


class Refused(Exception):
    """What Google answers to a request that it does not fulfil."""

    def __init__(self, status: int, message: str, reason: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.more = {"domain": "global"} | more

    def body(self) -> Json:
        """Google's body of an error."""
        one = {"message": self.message, "reason": self.reason, **self.more}
        return {"error": {"code": self.status, "message": self.message, "errors": [one]}}


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One object. Times are UTC microseconds; the checksums are base64, as Google shows them."""

    bucket: str
    name: str
    data: bytes
    generation: int
    metageneration: int
    content_type: str
    metadata: dict[str, str]
    created: int
    crc32c: str
    md5: str

    def resource(self) -> Json:
        """As the JSON API shows it."""
        shown = {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "contentType": self.content_type,
            "storageClass": "STANDARD",
            "size": str(len(self.data)),
            "md5Hash": self.md5,
            "crc32c": self.crc32c,
            "etag": self.etag,
            "timeCreated": _shown(self.created),
            "updated": _shown(self.created),
        }
        return shown | ({"metadata": self.metadata} if self.metadata else {})

    @property
    def etag(self) -> str:
        return base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode()


class Objects:
    """All buckets.

    Attributes:
        written: every object that was made or replaced, in order.
    """

    def __init__(self, buckets: tuple[str, ...], clock: Clock, *, limit_writes: bool) -> None:
        self._buckets: dict[str, dict[str, Stored]] = {name: {} for name in buckets}
        self._clock = clock
        self._limit_writes = limit_writes
        self._last = 0
        self._changed: dict[tuple[str, str], float] = {}
        self.written: list[Stored] = []

    def bucket(self, bucket: str) -> dict[str, Stored]:
        if bucket not in self._buckets:
            raise Refused(404, "The specified bucket does not exist.", "notFound")
        return self._buckets[bucket]

    def create_bucket(self, bucket: str) -> None:
        if bucket in self._buckets:
            raise Refused(409, "Your previous request to create the named bucket succeeded.", "conflict")
        self._buckets[bucket] = {}

    def get(self, bucket: str, name: str, query: Mapping[str, str]) -> Stored:
        """The object; 404, 412 or 304 where there is none or a condition does not hold."""
        found = self.bucket(bucket).get(name)
        generation = query.get("generation")
        if found is None or (generation is not None and _number("generation", generation) != found.generation):
            raise Refused(404, f"No such object: {bucket}/{name}", "notFound")
        check_conditions(found, query, reads=True)
        return found

    def put(
        self, bucket: str, name: str, data: bytes, *, query: Mapping[str, str], resource: Json, content_type: str
    ) -> Stored:
        """Make or replace the object; `resource` is what the request told of it."""
        there = self.bucket(bucket)
        check_name(name)
        check_conditions(there.get(name), query, reads=False)
        crc32c, md5 = checksums(data)
        for label, told, ours in (("CRC32C", resource.get("crc32c"), crc32c), ("MD5", resource.get("md5Hash"), md5)):
            if told is not None and told != ours:
                raise Refused(400, f"Provided {label} {told!r} doesn't match calculated {label} {ours!r}.", "invalid")
        self._slow_down(bucket, name)
        stored = Stored(
            bucket=bucket,
            name=name,
            data=data,
            generation=self._next(),
            metageneration=1,
            content_type=resource.get("contentType") or content_type,
            metadata=resource.get("metadata") or {},
            created=self._last,
            crc32c=crc32c,
            md5=md5,
        )
        there[name] = stored
        self.written.append(stored)
        return stored

    def patch(self, bucket: str, name: str, query: Mapping[str, str], resource: Json) -> Stored:
        """Change what is told of the object, not what it holds: the metageneration grows."""
        found = self.get(bucket, name, query)
        self._slow_down(bucket, name)
        told: dict[str, str | None] = {**found.metadata, **(resource.get("metadata") or {})}
        metadata = {key: value for key, value in told.items() if value is not None}
        changed = msgspec.structs.replace(
            found,
            metageneration=found.metageneration + 1,
            content_type=resource.get("contentType", found.content_type),
            metadata=metadata,
        )
        self.bucket(bucket)[name] = changed
        return changed

    def delete(self, bucket: str, name: str, query: Mapping[str, str]) -> None:
        self.get(bucket, name, query)
        self._slow_down(bucket, name)
        del self.bucket(bucket)[name]

    def listed(self, bucket: str, query: Mapping[str, str]) -> Json:
        """One page: the objects and the common prefixes, in the order of their UTF-8."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = min(_number("maxResults", query.get("maxResults", "1000")), 1000)
        after = query.get("pageToken", "")
        entries: dict[str, Stored | None] = {}
        for name, stored in self.bucket(bucket).items():
            if name.startswith(prefix):
                rest = name[len(prefix) :]
                common = delimiter and delimiter in rest
                entries[prefix + rest.partition(delimiter)[0] + delimiter if common else name] = (
                    None if common else stored
                )
        names = sorted((name for name in entries if name.encode() > after.encode()), key=str.encode)
        page = names[: limit or 1000]
        shown: Json = {"kind": "storage#objects"}
        if items := [stored.resource() for name in page if (stored := entries[name]) is not None]:
            shown["items"] = items
        if prefixes := [name for name in page if entries[name] is None]:
            shown["prefixes"] = prefixes
        return shown | ({"nextPageToken": page[-1]} if len(page) < len(names) else {})

    def _next(self) -> int:
        """Generations are microseconds, and no two are the same."""
        self._last = max(self._last + 1, int(self._clock.time() * MICROSECONDS))
        return self._last

    def _slow_down(self, bucket: str, name: str) -> None:
        """One change of an object in a second: https://cloud.google.com/storage/quotas#objects."""
        now = self._clock.monotonic()
        last = self._changed.get((bucket, name))
        if self._limit_writes and last is not None and now - last < 1.0:
            raise Refused(429, _TOO_FAST.format(f"{bucket}/{name}"), "rateLimitExceeded", domain="usageLimits")
        self._changed[bucket, name] = now


def check_name(name: str) -> None:
    """Refuse what cannot be the name of an object."""
    size = len(name.encode())
    if not size:
        raise Refused(400, "Required", "required")
    if size > 1024 or "\r" in name or "\n" in name or name in {".", ".."}:
        raise Refused(400, "Invalid object name", "invalid")
    if name.startswith(".well-known/acme-challenge/"):
        raise Refused(400, "Invalid object name", "invalid")


def check_conditions(found: Stored | None, query: Mapping[str, str], *, reads: bool) -> None:
    """Hold the request to its preconditions; the generation 0 is that of no object."""
    now = {
        "Generation": found.generation if found else 0,
        "Metageneration": found.metageneration if found else 0,
    }
    for kind, present in now.items():
        wanted, unwanted = query.get(f"if{kind}Match"), query.get(f"if{kind}NotMatch")
        if wanted is not None and _number(f"if{kind}Match", wanted) != present:
            raise Refused(412, _PRECONDITION, "conditionNotMet", locationType="header", location="If-Match")
        if unwanted is not None and _number(f"if{kind}NotMatch", unwanted) == present:
            status = 304 if reads else 412
            raise Refused(status, _PRECONDITION, "conditionNotMet", locationType="header", location="If-None-Match")


def checksums(data: bytes) -> tuple[str, str]:
    """CRC32C and MD5, in base64."""
    crc32c: Any = importlib.import_module("google_crc32c")
    crc: int = crc32c.value(data)
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return base64.b64encode(crc.to_bytes(4, "big")).decode(), base64.b64encode(md5).decode()


def _number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise Refused(400, f"Invalid value for {name}: {value}", "invalidParameter") from error


def _shown(time: int) -> str:
    return datetime.fromtimestamp(time / MICROSECONDS, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
