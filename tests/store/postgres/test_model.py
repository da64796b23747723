"""Any order of calls on PostgreSQL gives what the reference gives."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from emonk.store.postgres.address import Address
from emonk.store.postgres.connection import open_connection
from tests.store.machine import SETTINGS, StoreMachine

TABLES = "emonk.sessions, emonk.participants, emonk.events, emonk.inbox, emonk.records, emonk.memories"


def test_postgres_against_reference(database: str) -> None:
    class PostgresMachine(StoreMachine):
        def empty(self) -> str:
            self.runner.run(_empty(database))
            return database

    run_state_machine_as_test(PostgresMachine, settings=settings(SETTINGS, max_examples=20))


async def _empty(url: str) -> None:
    connection = await open_connection(Address(url))
    if await connection.fetchval("SELECT to_regclass('emonk.version') IS NOT NULL"):
        await connection.execute(f"TRUNCATE {TABLES}")
    await connection.close(timeout=5)
