"""A database of an earlier schema is opened with what it holds."""

import asyncio

from emonk.events import encode
from emonk.store.connect import connect
from emonk.store.owners import enlist
from emonk.store.postgres.schema import MIGRATIONS, digest, key_of, migrate
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, finish, message, note

from .place import admin


def test_the_first_schema_is_opened_with_its_sessions_and_takes_what_is_new(database: str) -> None:
    async def main() -> None:
        async with admin(database) as connection:
            await migrate(connection, "here", migrations=MIGRATIONS[:1])
            await connection.execute(
                """INSERT INTO emonk.sessions (key, agent, session_id, created_at, last_active, revision, message_count,
                    fence, participants) VALUES ($1, 'clerk', 's1', 1, 2, 1, 1, 7, '{ada}')""",
                key_of(SESSION),
            )
            await connection.execute("INSERT INTO emonk.participants VALUES ($1, 1)", digest("ada"))
            event = encode(message("hello").event)
            await connection.execute("INSERT INTO emonk.events VALUES (1, 1, 2, 7, $1)", event)
            await connection.execute(
                """INSERT INTO emonk.inbox (session, message_key, message_id, user_id, accepted_at, attempt, revision)
                    VALUES (1, $1, 'hello', 'ada', 2, '', 1)""",
                digest("hello"),
            )
        store = await connect(database)
        (info,) = await store.sessions(user_id="ada")
        assert (info.revision, info.token_count, info.metadata) == (1, 0, {})
        claimed = await store.claim(SESSION, enlist())
        assert claimed is not None
        assert (claimed.resumed, claimed.lease.fence, claimed.item.event) == (True, 8, message("hello").event)
        await finish(store, claimed, note("a"))
        assert await store.describe(SESSION, metadata={"a": 1}) is not None
        assert await store.delete(SESSION)
        anew = await accept_and_claim(store, message("hello"), enlist())
        assert anew.lease.fence > 8
        await store.aclose()

    asyncio.run(main())
