"""How few connections are shared by many."""

import asyncio

import pytest

from emonk.clock import SYSTEM_CLOCK
from emonk.errors import Unavailable
from emonk.ids import uuid7
from emonk.records import SessionKey
from emonk.store.connect import connect
from emonk.store.postgres.address import Address
from emonk.store.postgres.connection import open_connection
from emonk.store.postgres.database import PostgresDatabase
from emonk.testing.postgres import Cluster
from emonk.testing.store_conformance.rig import message

from .place import admin


async def guest_of(cluster: Cluster, *, places: int) -> str:
    """The URL of a new database as a user may see it who has so many places there."""
    database, user = cluster.new_database(), "guest" + uuid7().replace("-", "")
    async with admin(database) as connection:
        await connection.execute(f"CREATE ROLE {user} LOGIN CONNECTION LIMIT {places}")
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"GRANT CREATE ON DATABASE {name} TO {user}")
    return database.replace("//emonk@", f"//{user}@")


def test_many_calls_make_do_with_the_places_that_a_crowded_server_has(cluster: Cluster) -> None:
    async def main() -> None:
        store = await connect(await guest_of(cluster, places=2))
        sent = [message("m", session=SessionKey("clerk", f"s{number}")) for number in range(40)]
        accepted = await asyncio.gather(*(store.accept(each) for each in sent))
        assert {each.state for each in accepted} == {"new"}
        assert len(await store.sessions(agent="clerk")) == 40
        await store.aclose()

    asyncio.run(main())


def test_start_waits_for_a_place(cluster: Cluster) -> None:
    async def main() -> None:
        url = await guest_of(cluster, places=1)
        other = await open_connection(Address(url))
        opening = asyncio.create_task(connect(url))
        await asyncio.wait({opening}, timeout=0.05)
        assert not opening.done()
        await other.close(timeout=5)
        await (await opening).aclose()

    asyncio.run(main())


def test_start_gives_up_where_no_place_gets_free(cluster: Cluster) -> None:
    async def main() -> None:
        url = await guest_of(cluster, places=1)
        async with admin(url):
            database = PostgresDatabase(Address(url), SYSTEM_CLOCK, patience=0.0)
            with pytest.raises(Unavailable, match="too many connections"):
                await database.ready()
            await database.aclose()

    asyncio.run(main())
