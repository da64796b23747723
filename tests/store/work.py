"""What the processes of `test_processes.py` do: `python work.py COMMAND URL [NAME]`."""

import asyncio
import sys

import msgspec

from emonk.ids import uuid7
from emonk.records import SessionKey
from emonk.store.connect import connect
from emonk.store.owners import enlist
from emonk.store.protocol import Append, Claimed, Store
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, finish, message, note

SESSIONS = 8
TURNS = 25


async def append_until_killed(store: Store, _name: str) -> None:
    """Eight sessions at once; each append is printed once it is acknowledged."""
    sys.stdin.readline()

    async def work(key: SessionKey) -> None:
        claimed = await accept_and_claim(store, message(uuid7(), session=key), enlist())
        revision = claimed.revision
        while True:
            operations = (Append((note(f"{key.session_id} {revision + 1}"),)),)
            revision = await store.commit(operations, fence=claimed.lease, expected_revision=revision)
            sys.stdout.write(f"{key.session_id} {revision}\n")
            sys.stdout.flush()

    await asyncio.gather(*(work(SessionKey("clerk", f"s{number}")) for number in range(SESSIONS)))


async def take_turns(store: Store, name: str) -> None:
    """Send messages to a session that another process sends to as well, and run whatever turn can be had."""
    owner = enlist()
    sys.stdin.readline()
    for number in range(TURNS):
        sent = message(f"{name}-{number}")
        claimed = (await store.accept(sent, owner=owner)).claimed
        while await store.reply(SESSION, sent.message_id) is None:
            claimed = claimed or await store.claim(SESSION, owner)
            if claimed is None:
                continue
            revision = claimed.revision
            for step in range(3):
                operations = (Append((note(f"{name} {claimed.item.message_id} {step}"),)),)
                revision = await store.commit(operations, fence=claimed.lease, expected_revision=revision)
            await finish(store, _at(claimed, revision))
            claimed = None


async def hold_a_turn(store: Store, _name: str) -> None:
    """Claim a turn, and never finish it."""
    await accept_and_claim(store, message("hello"), enlist())
    sys.stdout.write("claimed\n")
    sys.stdout.flush()
    sys.stdin.readline()


async def accept_one(store: Store, name: str) -> None:
    """Put one message into the inbox."""
    await store.accept(message(name))


def _at(claimed: Claimed, revision: int) -> Claimed:
    return msgspec.structs.replace(claimed, revision=revision)


async def main() -> None:
    """Everything but `accept` opens the store before it waits for the starting line."""
    command, url, *name = sys.argv[1:]
    if command == "accept":
        sys.stdin.readline()
    store = await connect(url)
    work = {"append": append_until_killed, "turns": take_turns, "hold": hold_a_turn, "accept": accept_one}[command]
    await work(store, *(name or [""]))
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main())
