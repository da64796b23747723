"""Databases that cannot be used, and what is said of them."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import pytest
from google.api_core.exceptions import Aborted, FailedPrecondition

from emonk.errors import (
    ConfigError,
    DeadlineExceeded,
    EmonkError,
    InvalidConfig,
    MissingCredential,
    RateLimited,
    Unavailable,
)
from emonk.store.connect import connect
from emonk.store.firestore.address import Address
from emonk.store.firestore.documents import Write, open_documents
from emonk.store.firestore.errors import Moved, explain


@asynccontextmanager
async def refusing(code: grpc.StatusCode) -> AsyncGenerator[str]:
    """The address of a server that answers everything with this code."""

    async def refuse(_request: bytes, context: Any) -> bytes:
        await context.abort(code, "the reason")
        return b""

    async def refuse_stream(_request: bytes, context: Any) -> AsyncGenerator[bytes]:
        await context.abort(code, "the reason")
        yield b""

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            several = handler_call_details.method.endswith("BatchGetDocuments")
            handlers = cast("Any", grpc)
            if several:
                return handlers.unary_stream_rpc_method_handler(refuse_stream)
            return handlers.unary_unary_rpc_method_handler(refuse)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, MissingCredential, "application-default login"),
        (grpc.StatusCode.PERMISSION_DENIED, InvalidConfig, "roles/datastore.user"),
        (grpc.StatusCode.NOT_FOUND, InvalidConfig, "databases create"),
        (grpc.StatusCode.FAILED_PRECONDITION, InvalidConfig, "native mode"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, RateLimited, "slow down"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded, "in time"),
        (grpc.StatusCode.UNAVAILABLE, Unavailable, "cannot serve"),
        (grpc.StatusCode.INTERNAL, Unavailable, "cannot serve"),
    ],
)
def test_refusal_of_the_server_is_one_typed_line(
    code: grpc.StatusCode, kind: type[EmonkError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with refusing(code) as host:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
            with pytest.raises(kind, match=words) as refused:
                await connect("firestore://shop/orders")
        assert "\n" not in str(refused.value)
        assert "project shop, database orders" in refused.value.message

    asyncio.run(main())


def test_missing_index_and_endless_contention_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    address = Address("firestore://shop")
    assert (
        "firestore.indexes.json" in explain(FailedPrecondition("The query requires an index: https://x"), address).hint
    )
    contended = explain(Moved("Too much contention"), address)
    assert (type(contended), contended.code) == (Unavailable, "contended")
    assert isinstance(explain(Aborted("Too much contention"), address), Unavailable)


def test_nobody_at_the_address_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"emulated at 127\.0\.0\.1:1"):
        asyncio.run(connect("firestore://shop"))


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(MissingCredential, match="application-default login"):
        asyncio.run(connect("firestore://shop"))


def test_store_of_a_newer_version_is_refused(firestore: str) -> None:
    async def main() -> None:
        await (await connect(firestore)).aclose()
        documents = await open_documents(Address(firestore))
        await documents.write((Write("update", "", {"schema": 2}),))
        await documents.aclose()
        with pytest.raises(InvalidConfig, match="newer emonk"):
            await connect(firestore)

    asyncio.run(main())


@pytest.mark.parametrize(
    "url",
    [
        "firestore://",
        "firestore:///db",
        "firestore://UPPER",
        "firestore://shop/db/a/b",
        "firestore://shop/my_db",
        "firestore://shop/db/..",
        "firestore://shop/db/__x__",
        "firestore://shop?database=x",
        "firestore://user@shop",
    ],
)
def test_url_that_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="firestore://PROJECT"):
        asyncio.run(connect(url))


def test_parts_of_a_url_have_defaults() -> None:
    places = [
        (address.project, address.database, address.root)
        for address in map(Address, ("firestore://shop", "firestore://a.b:shop/db/", "firestore://shop/(default)/x.y"))
    ]
    assert places == [
        ("shop", "(default)", "emonk/default"),
        ("a.b:shop", "db", "emonk/default"),
        ("shop", "(default)", "emonk/x.y"),
    ]


def test_without_the_client_it_says_what_to_install() -> None:
    code = (
        "import sys, asyncio; sys.modules['google.cloud.firestore'] = None\n"
        "from emonk.store.connect import connect\n"
        "try: asyncio.run(connect('firestore://shop'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("InvalidConfig")
    assert "install emonk[firestore]" in done.stdout


def test_importing_connect_does_not_import_the_client() -> None:
    code = "import sys, emonk.store.connect; print('grpc' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
