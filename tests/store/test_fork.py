"""A process that is forked while it has a store open."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emonk.testing.postgres import Cluster

CODE = """
import asyncio, os, sys
from emonk.errors import EmonkError
from emonk.store.connect import connect
from emonk.testing.store_conformance.rig import message

used, other = sys.argv[1:]

async def child(store):
    for attempt in (connect(used), store.accept(message("hello")), store.aclose()):
        try:
            await attempt
        except EmonkError as error:
            print(error.code, error.message.partition(" ")[2])
    free = await connect(other)
    print((await free.accept(message("hello"))).state)
    await free.aclose()

async def main():
    store = await connect(used)
    pid = os.fork()
    if pid == 0:
        asyncio.events._set_running_loop(None)
        asyncio.run(child(store))
        sys.stdout.flush()
        os._exit(0)
    await asyncio.to_thread(os.waitpid, pid, 0)
    print((await store.accept(message("hello"))).state)
    await store.aclose()

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a platform without fork")
def test_a_forked_child_is_refused_the_open_file_and_may_use_another(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("used", "other")]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", CODE, *urls],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.stdout.splitlines() == [
        "invalid_config was open when this process was forked, so it cannot be used here",
        "store_closed store is closed",
        "new",
        "new",
    ], ended


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a platform without fork")
def test_a_forked_child_may_open_a_servers_database_anew(cluster: Cluster) -> None:
    urls = [cluster.new_database(), cluster.new_database()]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", CODE, *urls],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.stdout.splitlines() == ["store_closed store is closed", "new", "new"], ended
