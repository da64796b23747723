"""What the processes of `test_processes.py` do: `python writer.py NAME gcs BUCKET | local DIRECTORY | store URL`.

Each adds 20 lines to the same file, in the order of reading, adding and writing that loses lines where nobody checks.
"""

import asyncio
import sys

from emonk.errors import Conflict
from emonk.memory.gcs import GcsFiles
from emonk.memory.local import LocalFiles
from emonk.memory.stored import StoredFiles
from emonk.store.connect import connect

LINES = 20


async def main(name: str, kind: str, place: str) -> None:
    store = await connect(place) if kind == "store" else None
    files = StoredFiles(store, "clerk") if store else GcsFiles(place) if kind == "gcs" else LocalFiles(place)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    written = conflicts = 0
    while written < LINES:
        file = await files.read("log.md")
        data = (file.data if file else b"") + f"{name} {written}\n".encode()
        try:
            await files.write("log.md", data, expected_generation=file.generation if file else None)
        except Conflict:
            conflicts += 1
        else:
            written += 1
    print(conflicts, flush=True)  # noqa: T201
    await files.aclose()
    if store:
        await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
