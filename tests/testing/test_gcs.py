"""The stand-in of Cloud Storage does what Google documents, as its official client sees it."""

import asyncio
import base64
import importlib
import io
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from emonk.testing.clock import ManualClock
from emonk.testing.gcs import GcsServer
from emonk.testing.gcs_uploads import CHUNK

storage: Any = importlib.import_module("google.cloud.storage")
exceptions: Any = importlib.import_module("google.api_core.exceptions")

Work = Callable[[Any], object]


def on_server(work: Work, monkeypatch: pytest.MonkeyPatch, server: GcsServer | None = None) -> GcsServer:
    """Run `work` with the client's bucket `b` of a server."""
    server = server or GcsServer("b")

    def blocking() -> None:
        client = storage.Client()
        try:
            work(client.bucket("b"))
        finally:
            client.close()

    async def main() -> None:
        async with server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            await asyncio.to_thread(blocking)

    asyncio.run(main())
    return server


def fails(code: int, work: Callable[[], object], said: str = "") -> None:
    with pytest.raises(exceptions.GoogleAPICallError) as caught:
        work()
    assert caught.value.code == code
    assert said in str(caught.value)


def upload(bucket: Any, name: str, data: bytes = b"x", **conditions: Any) -> Any:
    blob = bucket.blob(name)
    blob.upload_from_string(data, retry=None, **conditions)
    return blob


def test_what_is_uploaded_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        data = bytes(range(256)) * 40 + b"\r\n--boundary--\r\n"
        blob = bucket.blob("a/b c/ü%2F?#&+.md")
        blob.metadata = {"who": "me"}
        blob.upload_from_string(data, content_type="text/markdown", retry=None)
        found = bucket.get_blob(blob.name, retry=None)
        assert (found.size, found.content_type, found.metadata) == (len(data), "text/markdown", {"who": "me"})
        assert (found.generation, found.metageneration) == (blob.generation, 1)
        read = bucket.blob(blob.name)
        assert read.download_as_bytes(retry=None) == data
        assert (int(read.generation), read.md5_hash) == (blob.generation, found.md5_hash)
        assert read.download_as_bytes(start=3, end=5, retry=None) == data[3:6]

    on_server(work, monkeypatch)


def test_every_write_has_a_new_generation_and_only_the_live_one_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        first, second = upload(bucket, "n", b"1").generation, upload(bucket, "n", b"2").generation
        assert second > first
        assert bucket.blob("n").download_as_bytes(retry=None) == b"2"
        fails(404, lambda: bucket.blob("n", generation=first).download_as_bytes(retry=None), "No such object: b/n")
        fails(404, lambda: bucket.blob("n", generation=first).reload(retry=None))

    on_server(work, monkeypatch, GcsServer("b", clock=ManualClock()))


def test_uploads_keep_their_preconditions(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        fails(412, lambda: upload(bucket, "n", if_generation_match=7), "pre-conditions you specified did not hold")
        fails(412, lambda: upload(bucket, "n", if_generation_not_match=0))
        first = upload(bucket, "n", b"1", if_generation_match=0).generation
        fails(412, lambda: upload(bucket, "n", b"2", if_generation_match=0))
        fails(412, lambda: upload(bucket, "n", b"2", if_generation_match=first + 1))
        fails(412, lambda: upload(bucket, "n", b"2", if_metageneration_match=2))
        fails(412, lambda: upload(bucket, "n", b"2", if_generation_not_match=first))
        upload(bucket, "n", b"2", if_generation_match=first, if_metageneration_match=1)
        assert bucket.blob("n").download_as_bytes(retry=None) == b"2"

    assert [one.data for one in on_server(work, monkeypatch).written] == [b"1", b"2"]


def test_reads_keep_their_preconditions(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        generation = upload(bucket, "n").generation
        blob = bucket.blob("n")
        fails(304, lambda: blob.download_as_bytes(if_generation_not_match=generation, retry=None))
        fails(304, lambda: blob.reload(if_generation_not_match=generation, retry=None))
        fails(412, lambda: blob.download_as_bytes(if_generation_match=generation + 1, retry=None))
        assert blob.download_as_bytes(if_generation_not_match=generation + 1, retry=None) == b"x"
        assert not bucket.blob("other").exists(retry=None)
        fails(404, lambda: bucket.blob("other").download_as_bytes(if_generation_not_match=1, retry=None))

    on_server(work, monkeypatch)


def test_metadata_has_generations_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        blob = upload(bucket, "n")
        generation = blob.generation
        blob.metadata = {"who": "me"}
        blob.patch(if_metageneration_match=1, retry=None)
        assert (blob.generation, blob.metageneration) == (generation, 2)
        blob.metadata = {"who": None}
        fails(412, lambda: blob.patch(if_metageneration_match=1, retry=None))
        blob.patch(retry=None)
        assert (blob.metageneration, blob.metadata) == (3, None)
        assert upload(bucket, "n", b"2").metageneration == 1

    on_server(work, monkeypatch)


def test_deletes_keep_their_preconditions(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        generation = upload(bucket, "n").generation
        fails(412, lambda: bucket.blob("n").delete(if_generation_match=generation + 1, retry=None))
        bucket.blob("n").delete(if_generation_match=generation, retry=None)
        fails(404, lambda: bucket.blob("n").delete(if_generation_match=generation, retry=None))
        fails(404, lambda: bucket.blob("n").delete(retry=None))
        assert upload(bucket, "n", if_generation_match=0).generation > generation

    on_server(work, monkeypatch, GcsServer("b", clock=ManualClock()))


def test_a_large_upload_comes_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        data = b"0123456789abcdef" * (CHUNK * 5 // 32)
        blob = bucket.blob("large", chunk_size=CHUNK)
        blob.upload_from_file(io.BytesIO(data), if_generation_match=0, retry=None)
        assert bucket.blob("large").download_as_bytes(retry=None) == data
        again = bucket.blob("large", chunk_size=CHUNK)
        fails(412, lambda: again.upload_from_file(io.BytesIO(data), if_generation_match=0, retry=None))
        again.upload_from_file(io.BytesIO(b"short"), size=5, if_generation_match=blob.generation, retry=None)
        assert bucket.blob("large").download_as_bytes(retry=None) == b"short"

    server = on_server(work, monkeypatch)
    assert len([one for one in server.requests if one.startswith("PUT")]) >= 3


def test_an_upload_in_chunks_that_was_overtaken_fails_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with GcsServer("b") as server, aiohttp.ClientSession() as session:
            place = f"{server.base_url}/upload/storage/v1/b/b/o"
            begin = {"uploadType": "resumable", "name": "n", "ifGenerationMatch": "0"}
            async with session.post(place, params=begin, json={}) as begun:
                upload_url = begun.headers["Location"]
            async with session.put(upload_url, headers={"Content-Range": "bytes */*"}) as asked:
                assert (asked.status, asked.headers.get("Range")) == (308, None)
            odd = {"Content-Range": f"bytes 0-{CHUNK}/*"}
            async with session.put(upload_url, data=b"x" * (CHUNK + 1), headers=odd) as kept:
                assert (kept.status, kept.headers["Range"]) == (308, f"bytes=0-{CHUNK - 1}")
            async with session.post(place, params={"uploadType": "media", "name": "n"}, data=b"first") as other:
                assert other.status == 200
            gap = {"Content-Range": f"bytes {CHUNK + 1}-{CHUNK + 1}/{CHUNK + 2}"}
            async with session.put(upload_url, data=b"y", headers=gap) as refused:
                assert refused.status == 400
            last = {"Content-Range": f"bytes {CHUNK}-{CHUNK}/{CHUNK + 1}"}
            async with session.put(upload_url, data=b"y", headers=last) as late:
                assert late.status == 412
            assert [one.data for one in server.written] == [b"first"]
            async with session.put(f"{place}?upload_id=none", data=b"") as unknown:
                assert unknown.status == 404

    asyncio.run(main())


def test_a_listing_has_prefixes_and_pages_in_the_order_of_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a", "a/1", "a/2", "a/b/3", "b", "z", "é", "\U0001f600"]

    def work(bucket: Any) -> None:
        for name in reversed(names):
            upload(bucket, name)
        assert [one.name for one in bucket.list_blobs(page_size=3, retry=None)] == names
        assert [one.name for one in bucket.list_blobs(max_results=2, retry=None)] == names[:2]
        assert [one.name for one in bucket.list_blobs(prefix="a/", retry=None)] == ["a/1", "a/2", "a/b/3"]
        folder = bucket.list_blobs(prefix="a/", delimiter="/", page_size=1, retry=None)
        assert [one.name for one in folder] == ["a/1", "a/2"]
        assert folder.prefixes == {"a/b/"}

    server = on_server(work, monkeypatch)
    assert len(server.requests) == len(names) + 3 + 1 + 1 + 3


@pytest.mark.parametrize("name", ["x\ny", "x\ry", ".", "..", "é" * 513, ".well-known/acme-challenge/x"])
def test_names_that_google_refuses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    on_server(lambda bucket: fails(400, lambda: upload(bucket, name)), monkeypatch)


def test_the_longest_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    on_server(lambda bucket: upload(bucket, "é" * 512), monkeypatch)


def test_a_damaged_upload_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        blob = bucket.blob("n")
        blob.md5_hash = base64.b64encode(b"0" * 16).decode()
        fails(400, lambda: blob.upload_from_string(b"x", retry=None), "doesn't match calculated MD5")
        wrong = bucket.blob("n")
        wrong.crc32c = "AAAAAA=="
        fails(400, lambda: wrong.upload_from_string(b"x", checksum=None, retry=None), "calculated CRC32C")
        upload(bucket, "n", checksum="md5")
        upload(bucket, "n", checksum="crc32c")

    assert len(on_server(work, monkeypatch).written) == 2


def test_a_bucket_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        fails(404, lambda: upload(bucket, "n"), "bucket does not exist")
        fails(404, lambda: list(bucket.list_blobs(retry=None)), "bucket does not exist")
        bucket.client.create_bucket("b", retry=None)
        upload(bucket, "n")
        assert bucket.exists(retry=None)
        fails(409, lambda: bucket.client.create_bucket("b", retry=None))

    on_server(work, monkeypatch, GcsServer())


def test_one_change_of_an_object_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()

    def work(bucket: Any) -> None:
        upload(bucket, "n")
        upload(bucket, "other")
        fails(429, lambda: upload(bucket, "n"), "exceeded the rate limit")
        asyncio.run(clock.advance(1.0))
        upload(bucket, "n")

    on_server(work, monkeypatch, GcsServer("b", clock=clock, limit_writes=True))


def test_it_fails_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        fails(503, lambda: upload(bucket, "n"))
        fails(403, lambda: upload(bucket, "n"))
        with pytest.raises(OSError, match=r"(?i)connection"):
            upload(bucket, "n")
        with pytest.raises(OSError, match=r"(?i)connection"):
            upload(bucket, "n", b"it came")

    server = on_server(work, monkeypatch, GcsServer("b", faults=[503, 403, "drop", "drop_after"]))
    assert [one.data for one in server.written] == [b"it came"]


def test_what_it_does_not_know_is_refused_not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(bucket: Any) -> None:
        fails(400, lambda: list(bucket.list_blobs(match_glob="*.md", retry=None)), "matchGlob")

    on_server(work, monkeypatch)
