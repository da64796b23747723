"""The section `memory` of an agent's file."""

import asyncio
from pathlib import Path
from typing import Literal

import msgspec

from emonk.errors import InvalidConfig
from emonk.memory.files import MemoryFiles
from emonk.memory.local import LocalFiles
from emonk.memory.stored import StoredFiles
from emonk.store.connect import data_dir
from emonk.store.record_protocol import RecordStore


class MemorySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the agent's files lie. An agent that has this section remembers things for its users, too.

    `dir` is of `local`: relative to the agent's file, or in Python to the current directory; without it
    `memory/AGENT` in the data directory. `bucket` and `prefix` are of `gcs`. What is of another backend is left alone,
    so that one word is all there is to change.
    """

    backend: Literal["local", "gcs", "store"] = "local"
    bucket: str | None = None
    prefix: str = ""
    dir: str | None = None

    def __post_init__(self) -> None:
        if self.backend == "gcs" and not self.bucket:
            raise InvalidConfig("the backend gcs needs a bucket", hint="write bucket: NAME")

    def below(self, folder: Path) -> "MemorySection":
        """The same with a `dir` that is relative to a folder."""
        return (
            self if self.dir is None else msgspec.structs.replace(self, dir=str(folder / Path(self.dir).expanduser()))
        )

    async def open(self, agent: str, store: RecordStore) -> MemoryFiles:
        """The files, once it is certain that they can be reached.

        Raises:
            InvalidConfig: the bucket does not exist, or a part of emonk that it needs is not installed.
            MissingCredential: there are no credentials for the bucket, or they are refused.
            InfraError: the bucket cannot be reached.
        """
        match self.backend:
            case "local":
                return LocalFiles(self.dir or data_dir() / "memory" / agent)
            case "store":
                return StoredFiles(store, agent)
            case "gcs":
                return await self._open_bucket()

    async def _open_bucket(self) -> MemoryFiles:
        from emonk.memory.gcs import GcsFiles  # noqa: PLC0415  only who has a bucket pays for its client

        files = await asyncio.to_thread(GcsFiles, self.bucket or "", prefix=self.prefix)
        try:
            await files.check()
        except BaseException:
            await files.aclose()
            raise
        return files
