"""Databases and servers that cannot be used, and what is said of them."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from emonk.errors import EmonkError, InvalidConfig, MissingCredential, Unavailable
from emonk.store.connect import connect
from emonk.store.owners import enlist
from emonk.store.postgres.schema import MIGRATIONS, migrate
from emonk.testing.postgres import Cluster
from emonk.testing.store_conformance.rig import accept_and_claim, message

from .place import admin

Spoil = Callable[[str], Coroutine[Any, Any, None]]


def refusal(url: str) -> EmonkError:
    with pytest.raises(EmonkError) as refused:
        asyncio.run(connect(url))
    assert "\n" not in str(refused.value)
    assert "s3cret" not in str(refused.value)
    return refused.value


def test_wrong_password_is_a_missing_credential(cluster: Cluster, database: str) -> None:
    async def main() -> None:
        async with admin(database) as connection:
            await connection.execute("DROP ROLE IF EXISTS locked")
            await connection.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")

    asyncio.run(main())
    for login in ("locked:s3cret", "locked:s3cret%40", "nobody_of_this_name:s3cret"):
        error = refusal(cluster.url("postgres", user=login))
        assert isinstance(error, MissingCredential)
        assert str(cluster.directory) in error.message


def test_missing_database_and_missing_rights_are_named(cluster: Cluster, database: str) -> None:
    missing = refusal(cluster.url("nowhere"))
    assert isinstance(missing, InvalidConfig)
    assert "nowhere" in missing.message

    async def main() -> None:
        async with admin(database) as connection:
            await connection.execute("DROP ROLE IF EXISTS guest")
            await connection.execute("CREATE ROLE guest LOGIN")

    asyncio.run(main())
    assert isinstance(refusal(database.replace("emonk@", "guest:s3cret@")), InvalidConfig)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql://u:s3cret@127.0.0.1:1/db", Unavailable),
        ("postgres://u:s3cret@no-such-host.invalid/db", Unavailable),
        ("postgresql://u:s3cret@127.0.0.1:port/db", InvalidConfig),
        ("postgresql://u:s3cret#x@127.0.0.1/db", InvalidConfig),
        ("postgresql://u:s3cret/x@127.0.0.1/db", InvalidConfig),
        ("postgresql://u:s3cret@[::1/db", InvalidConfig),
        ("postgresql://127.0.0.1:1/db?password=s3cret&sslmode=what", InvalidConfig),
        ("postgresql+psycopg://u:s3cret@127.0.0.1/db", InvalidConfig),
    ],
)
def test_server_that_cannot_be_reached_is_named_without_its_password(url: str, kind: type[EmonkError]) -> None:
    assert isinstance(refusal(url), kind)


async def newer(url: str) -> None:
    await (await connect(url)).aclose()
    async with admin(url) as connection:
        await connection.execute("UPDATE emonk.version SET number = number + 1")


async def foreign(url: str) -> None:
    async with admin(url) as connection:
        await connection.execute("CREATE SCHEMA emonk CREATE TABLE sessions (id int)")


async def read_only(url: str) -> None:
    async with admin(url) as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")


async def read_only_later(url: str) -> None:
    await (await connect(url)).aclose()
    await read_only(url)


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (newer, InvalidConfig, "newer emonk"),
        (foreign, InvalidConfig, "another program"),
        (read_only, Unavailable, "only be read"),
        (read_only_later, Unavailable, "only be read"),
    ],
)
def test_database_that_cannot_be_used_is_refused(
    database: str, spoil: Spoil, kind: type[EmonkError], words: str
) -> None:
    asyncio.run(spoil(database))
    error = refusal(database)
    assert isinstance(error, kind)
    assert words in error.message


def test_database_of_another_encoding_is_refused(cluster: Cluster) -> None:
    url = cluster.new_database("--encoding=LATIN1", "--template=template0")
    assert "LATIN1" in refusal(url).message


def test_earlier_schema_is_brought_up_to_date(database: str) -> None:
    later = (*MIGRATIONS, ("ALTER TABLE emonk.sessions ADD COLUMN mood text",))

    async def main() -> None:
        store = await connect(database)
        await accept_and_claim(store, message("hello"), enlist())
        await store.aclose()
        async with admin(database) as one, admin(database) as other:
            await asyncio.gather(migrate(one, "here", migrations=later), migrate(other, "here", migrations=later))
            assert await one.fetchval("SELECT number FROM emonk.version") == len(later)
            assert await one.fetchval("SELECT count(mood) + count(*) FROM emonk.sessions") == 1

    asyncio.run(main())


def test_failing_migration_leaves_nothing(database: str) -> None:
    async def main() -> None:
        async with admin(database) as connection:
            with pytest.raises(Exception, match="nonsense"):
                await migrate(connection, "here", migrations=(*MIGRATIONS, ("CREATE TABLE emonk.x (y nonsense)",)))
            assert await connection.fetchval("SELECT to_regnamespace('emonk') IS NULL")

    asyncio.run(main())


def test_without_asyncpg_it_says_what_to_install() -> None:
    code = (
        "import sys, asyncio; sys.modules['asyncpg'] = None\n"
        "from emonk.store.connect import connect\n"
        "try: asyncio.run(connect('postgresql://u:s3cret@127.0.0.1:1/db'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("InvalidConfig")
    assert "install emonk[postgres]" in done.stdout
    assert "s3cret" not in done.stdout


def test_importing_connect_does_not_import_asyncpg() -> None:
    code = "import sys, emonk.store.connect; print('asyncpg' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
