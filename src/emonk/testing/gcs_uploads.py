"""How objects come into the Cloud Storage stand-in: in one piece, with their description, or chunk by chunk.

Source: https://cloud.google.com/storage/docs/performing-resumable-uploads.
"""

import re
import secrets
from collections.abc import Mapping

import msgspec
from aiohttp import BodyPartReader, web

from emonk.testing.gcs_objects import Json, Objects, Refused, Stored, check_conditions, check_name, checksums

CHUNK = 256 * 1024
"""Of an upload that goes on, every chunk but the last is a multiple of it."""

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class Upload:
    """A resumable upload, and what of it has come."""

    def __init__(self, bucket: str, name: str, query: Mapping[str, str], resource: Json, content_type: str) -> None:
        self.bucket = bucket
        self.name = name
        self.query = query
        self.resource = resource
        self.content_type = content_type
        self.data = bytearray()
        self.stored: Stored | None = None


class Uploads:
    """The uploads of a server."""

    def __init__(self, objects: Objects, base_url: str) -> None:
        self._objects = objects
        self._base_url = base_url
        self._open: dict[str, Upload] = {}

    async def begin(self, request: web.Request, bucket: str) -> web.Response:
        """A request that makes an object, or begins to."""
        self._objects.bucket(bucket)
        match request.query.get("uploadType"):
            case "media":
                stored = self._put(bucket, request.query, {}, request.content_type, await request.read())
                return web.json_response(stored.resource())
            case "multipart":
                return web.json_response((await self._multipart(request, bucket)).resource())
            case "resumable":
                return await self._resumable(request, bucket)
            case other:
                raise Refused(400, f"Unknown uploadType: {other}", "invalid")

    async def go_on(self, request: web.Request) -> web.Response:
        """The next chunk of a resumable upload, or the question how far it came."""
        upload = self._open.get(request.query.get("upload_id", ""))
        if upload is None:
            raise Refused(404, "Upload not found", "notFound")
        if upload.stored is None:
            self._take(upload, request.headers, await request.read())
        if upload.stored is not None:
            return web.json_response(upload.stored.resource())
        headers = {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
        return web.Response(status=308, headers=headers)

    def _take(self, upload: Upload, headers: Mapping[str, str], body: bytes) -> None:
        told = _RANGE.fullmatch(headers.get("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}" if body else ""))
        if told is None:
            raise Refused(400, "Failed to parse Content-Range header.", "parseError")
        first, last, total = told.groups()
        if first is not None:
            if int(last) - int(first) + 1 != len(body) or int(first) > len(upload.data):
                raise Refused(400, "Invalid request.  The bytes do not go on where the upload is.", "invalid")
            upload.data[int(first) :] = body
        complete = total != "*" and int(total) == len(upload.data)
        if not complete:
            del upload.data[len(upload.data) // CHUNK * CHUNK :]
            return
        self._check_hashes(headers.get("X-Goog-Hash", ""), bytes(upload.data))
        upload.stored = self._put(
            upload.bucket,
            {**upload.query, "name": upload.name},
            upload.resource,
            upload.content_type,
            bytes(upload.data),
        )

    async def _multipart(self, request: web.Request, bucket: str) -> Stored:
        try:
            reader = await request.multipart()
            parts: list[tuple[str, bytes]] = []
            while isinstance(part := await reader.next(), BodyPartReader):
                parts.append((part.headers.get("Content-Type", ""), bytes(await part.read())))
        except (ValueError, AssertionError) as error:
            raise Refused(400, "Malformed multipart body.", "badRequest") from error
        if len(parts) != 2:
            raise Refused(400, "Malformed multipart body.", "badRequest")
        (_, told), (content_type, data) = parts
        return self._put(bucket, request.query, _decoded(told), content_type, data)

    async def _resumable(self, request: web.Request, bucket: str) -> web.Response:
        resource = _decoded(await request.read() or b"{}")
        name = _name(request.query, resource)
        check_name(name)
        check_conditions(self._objects.bucket(bucket).get(name), request.query, reads=False)
        upload_id = secrets.token_hex(16)
        content_type = request.headers.get("X-Upload-Content-Type", "application/octet-stream")
        self._open[upload_id] = Upload(bucket, name, dict(request.query), resource, content_type)
        place = f"{self._base_url}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={upload_id}"
        return web.Response(headers={"Location": place, "X-GUploader-UploadID": upload_id})

    def _put(self, bucket: str, query: Mapping[str, str], resource: Json, content_type: str, data: bytes) -> Stored:
        name = _name(query, resource)
        return self._objects.put(
            bucket, name, data, query=query, resource=resource, content_type=content_type or "application/octet-stream"
        )

    def _check_hashes(self, header: str, data: bytes) -> None:
        ours = dict(zip(("crc32c", "md5"), checksums(data), strict=True))
        for one in filter(None, header.split(",")):
            label, _, told = one.strip().partition("=")
            if label in ours and told != ours[label]:
                raise Refused(400, f"Provided {label} hash {told!r} doesn't match {ours[label]!r}.", "invalid")


def _name(query: Mapping[str, str], resource: Json) -> str:
    name = resource.get("name") or query.get("name") or ""
    if not isinstance(name, str):
        raise Refused(400, "Invalid object name", "invalid")
    return name


def _decoded(raw: bytes) -> Json:
    try:
        return msgspec.json.decode(raw, type=Json)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refused(400, "Parse Error", "parseError") from error
