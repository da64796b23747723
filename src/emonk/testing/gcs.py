"""A local stand-in for Cloud Storage that speaks its JSON API on loopback, as far as the official client uses it."""

from collections.abc import Iterable
from typing import Literal
from urllib.parse import unquote

import msgspec
from aiohttp import web

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.testing.gcs_objects import Json, Objects, Refused, Stored
from emonk.testing.gcs_uploads import Uploads
from emonk.testing.loopback import everything, listen

Fault = int | Literal["drop", "drop_after"]
"""A status; or a connection that is closed before the request does anything, or after it did."""

_MAX_BODY = 64 << 20
_REASONS = {401: "authError", 403: "forbidden", 429: "rateLimitExceeded", 500: "backendError", 503: "backendError"}
_HARMLESS = frozenset(("alt", "prettyPrint", "projection", "fields", "quotaUser", "userProject", "ifEtagMatch"))
_KNOWN = _HARMLESS | frozenset(
    (
        *(f"if{kind}{match}" for kind in ("Generation", "Metageneration") for match in ("Match", "NotMatch")),
        *("generation", "prefix", "delimiter", "maxResults", "pageToken", "uploadType", "upload_id", "name", "project"),
    )
)


class GcsServer:
    """Buckets that keep Google's rules: generations, preconditions, names, checksums.

    The official client comes here, without credentials, where the environment has what `environment` holds.

    Attributes:
        base_url: where it listens, once entered.
        requests: `METHOD PATH` of every request that came, in order.
        refused: the messages of those that were refused.
    """

    def __init__(
        self,
        *buckets: str,
        faults: Iterable[Fault] = (),
        clock: Clock = SYSTEM_CLOCK,
        limit_writes: bool = False,
    ) -> None:
        """Serve buckets that are empty at first.

        Args:
            buckets: their names.
            faults: what the first requests get, in order.
            clock: whose time generations have.
            limit_writes: a second change of an object within a second gets a 429, as at Google.
        """
        self._objects = Objects(buckets, clock, limit_writes=limit_writes)
        self._faults: list[Fault] = list(faults)
        self.base_url = ""
        self.requests: list[str] = []
        self.refused: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        """What makes the official client come here; and not look at the bucket in a thread that nobody waits for."""
        return {"STORAGE_EMULATOR_HOST": self.base_url, "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true"}

    @property
    def written(self) -> list[Stored]:
        """Every object that was made or replaced, in order."""
        return self._objects.written

    def fail(self, *faults: Fault) -> None:
        """What the next requests get, in order."""
        self._faults += faults

    async def __aenter__(self) -> "GcsServer":
        self._runner, self.base_url = await listen(everything(self._handle), max_body=_MAX_BODY)
        self._uploads = Uploads(self._objects, self.base_url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.rel_url.raw_path}")
        fault = self._faults.pop(0) if self._faults else None
        try:
            if fault == "drop":
                return self._drop(request)
            if isinstance(fault, int):
                raise Refused(fault, f"The stand-in was told to answer {fault}.", _REASONS.get(fault, "invalid"))
            response = await self._route(request)
        except Refused as refused:
            self.refused.append(refused.message)
            return _refusal(request, refused)
        return self._drop(request) if fault == "drop_after" else response

    def _drop(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.close()
        return web.Response()

    async def _route(self, request: web.Request) -> web.Response:
        unknown = sorted(set(request.query) - _KNOWN)
        if unknown:
            raise Refused(400, f"The stand-in does not know the parameters {unknown}.", "invalidParameter")
        parts = [unquote(part) for part in request.rel_url.raw_path.split("/")[1:]]
        match request.method, *parts:
            case "POST", "upload", "storage", "v1", "b", bucket, "o":
                return await self._uploads.begin(request, bucket)
            case "PUT", "upload", "storage", "v1", "b", _, "o":
                return await self._uploads.go_on(request)
            case "POST", "storage", "v1", "b":
                return self._create(await _json(request))
            case "GET", "storage", "v1", "b", bucket:
                self._objects.bucket(bucket)
                return web.json_response({"kind": "storage#bucket", "id": bucket, "name": bucket})
            case "GET", "storage", "v1", "b", bucket, "o":
                return web.json_response(self._objects.listed(bucket, request.query))
            case "GET", "download", "storage", "v1", "b", bucket, "o", name:
                return _media(request, self._objects.get(bucket, name, request.query))
            case method, "storage", "v1", "b", bucket, "o", name:
                return await self._object(method, bucket, name, request)
            case _:
                raise Refused(404, "Not Found", "notFound")

    def _create(self, resource: Json) -> web.Response:
        self._objects.create_bucket(str(resource.get("name")))
        return web.json_response({"kind": "storage#bucket", "id": resource["name"], "name": resource["name"]})

    async def _object(self, method: str, bucket: str, name: str, request: web.Request) -> web.Response:
        match method:
            case "GET" if request.query.get("alt") == "media":
                return _media(request, self._objects.get(bucket, name, request.query))
            case "GET":
                return web.json_response(self._objects.get(bucket, name, request.query).resource())
            case "PATCH":
                patched = self._objects.patch(bucket, name, request.query, await _json(request))
                return web.json_response(patched.resource())
            case "DELETE":
                self._objects.delete(bucket, name, request.query)
                return web.Response(status=204)
            case _:
                raise Refused(405, "Method Not Allowed", "methodNotAllowed")


def _media(request: web.Request, stored: Stored) -> web.Response:
    headers = {
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Metageneration": str(stored.metageneration),
        "X-Goog-Hash": f"crc32c={stored.crc32c},md5={stored.md5}",
        "X-Goog-Storage-Class": "STANDARD",
        "X-Goog-Stored-Content-Length": str(len(stored.data)),
        "X-Goog-Stored-Content-Encoding": "identity",
        "ETag": stored.etag,
        "Content-Type": stored.content_type,
    }
    wanted = request.http_range
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=stored.data, headers=headers)
    data = stored.data[wanted]
    if not data:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(stored.data)}"})
    start = wanted.start or 0
    headers["Content-Range"] = f"bytes {start}-{start + len(data) - 1}/{len(stored.data)}"
    return web.Response(status=206, body=data, headers=headers)


async def _json(request: web.Request) -> Json:
    try:
        return msgspec.json.decode(await request.read(), type=Json)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refused(400, "Parse Error", "parseError") from error


def _refusal(request: web.Request, refused: Refused) -> web.Response:
    headers = {"Retry-After": "1"} if refused.status == 429 else {}
    if refused.status == 304:
        return web.Response(status=304)
    if request.path.startswith("/download/"):  # of a download the client gets the message alone
        return web.Response(status=refused.status, text=refused.message, headers=headers)
    return web.json_response(refused.body(), status=refused.status, headers=headers)
