"""Files in a directory of this machine."""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from emonk.errors import EmonkError, InvalidArguments, InvalidConfig, Unavailable
from emonk.memory.files import FILE_BYTES, File, check_path, check_prefix, check_size, conflict

LOCK_SECONDS = 10.0
"""A writer holds the lock for as long as one file takes to reach the disk."""

_LOCK = ".emonk-lock"
_NEW = ".emonk-new"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not make a reader wait
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MISPLACED = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class LocalFiles:
    """A directory that may be edited by hand, too; it is made with the first file. Blocking work is done in threads.

    Symbolic links below it are not followed, and hidden files are not seen. Writers, of other processes too, take
    turns by a lock file, so a generation that is still there when it is looked at is what is replaced. An editor knows
    nothing of that lock: only what it saved before that look is safe from being replaced.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().absolute()

    def __repr__(self) -> str:
        return f"LocalFiles({str(self.root)!r})"

    async def read(self, path: str) -> File | None:
        return await asyncio.to_thread(self._read, check_path(path))

    async def write(self, path: str, data: bytes, *, expected_generation: str | None) -> File:
        check_size(check_path(path), len(data))
        return await asyncio.to_thread(self._write, path, data, expected_generation)

    async def list(self, prefix: str = "") -> tuple[str, ...]:
        return await asyncio.to_thread(self._list, check_prefix(prefix))

    async def delete(self, path: str, *, expected_generation: str) -> None:
        await asyncio.to_thread(self._delete, check_path(path), expected_generation)

    async def aclose(self) -> None:
        """There is nothing to let go of."""

    def _read(self, path: str) -> File | None:
        with self._told(path):
            try:
                with self._folder(path) as (folder, name):
                    return _file(path, folder, name)
            except FileNotFoundError:
                return None

    def _write(self, path: str, data: bytes, expected: str | None) -> File:
        with self._told(path):
            self.root.mkdir(parents=True, exist_ok=True)
            with self._locked(path), self._folder(path, make=expected is None) as (folder, name):
                if _generation(path, folder, name) != expected:
                    raise conflict(path)
                modified = _replace(folder, name, data)
        return File(path, data, _named(modified, data))

    def _delete(self, path: str, expected: str) -> None:
        with self._told(path):
            if not self.root.is_dir():
                raise conflict(path)
            with self._locked(path), self._folder(path) as (folder, name):
                if _generation(path, folder, name) != expected:
                    raise conflict(path)
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
            self._tidy(path)

    def _list(self, prefix: str) -> tuple[str, ...]:
        with self._told(prefix or str(self.root)):
            return tuple(sorted(path for path in _below(self.root, "") if path.startswith(prefix)))

    def _tidy(self, path: str) -> None:
        """A folder without files is no folder, as in a bucket."""
        with contextlib.suppress(OSError):
            for folder in Path(path).parents:
                if folder.parts:
                    (self.root / folder).rmdir()

    @contextmanager
    def _folder(self, path: str, *, make: bool = False) -> Generator[tuple[int, str]]:
        """The open folder of the file, and the file's name in it; no step on the way is a symbolic link."""
        *folders, name = path.split("/")
        opened = os.open(self.root, _FOLDER)
        try:
            for folder in folders:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(folder, dir_fd=opened)
                above, opened = opened, os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=opened)
                os.close(above)
            yield opened, name
        finally:
            os.close(opened)

    @contextmanager
    def _locked(self, path: str) -> Generator[None]:
        lock = os.open(self.root / _LOCK, _WRITE, 0o666)
        try:
            give_up = time.monotonic() + LOCK_SECONDS
            while not _taken(lock):
                if time.monotonic() > give_up:
                    raise Unavailable(f"{path} cannot be written: another process keeps {self.root / _LOCK} locked")
                time.sleep(0.005)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _told(self, path: str) -> Generator[None]:
        """What goes wrong with the directory, in emonk's own errors."""
        try:
            yield
        except EmonkError:
            raise
        except FileNotFoundError as error:
            raise conflict(path) from error
        except OSError as error:
            raise self._error(path, error) from error

    def _error(self, path: str, error: OSError) -> EmonkError:
        said = f"{self.root}: {path}: {error.strerror}"
        misplaced = self.root.exists() and not self.root.is_dir()
        if misplaced or error.errno in _FORBIDDEN:
            return InvalidConfig(said, hint="the agent's memory must be a directory that it may read and write")
        if error.errno in _MISPLACED:
            return InvalidArguments(
                f"the path {path!r} goes through a symbolic link or through a file", hint="neither is followed"
            )
        return Unavailable(said)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _file(path: str, folder: int, name: str) -> File | None:
    opened = os.open(name, _READ, dir_fd=folder)
    try:
        status = os.fstat(opened)
        if stat.S_ISDIR(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArguments(f"{path} is no regular file")
        with os.fdopen(opened, "rb", closefd=False) as file:
            data = file.read(FILE_BYTES + 1)
    finally:
        os.close(opened)
    check_size(path, len(data))
    return File(path, data, _named(status.st_mtime_ns, data))


def _generation(path: str, folder: int, name: str) -> str | None:
    try:
        file = _file(path, folder, name)
    except FileNotFoundError:
        return None
    if file is None:
        raise InvalidArguments(f"{path} is a folder", hint="write a file in it")
    return file.generation


def _named(modified: int, data: bytes) -> str:
    """The time alone is too coarse, the content alone the same after it was changed twice."""
    return f"{modified}-{hashlib.sha256(data).hexdigest()[:32]}"


def _replace(folder: int, name: str, data: bytes) -> int:
    """Under the lock there is one new file at a time; when it was modified, in nanoseconds."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_NEW, dir_fd=folder)  # what a crash left, or a link or pipe that must not be written into
    opened = os.open(_NEW, _WRITE | os.O_EXCL, 0o666, dir_fd=folder)
    with os.fdopen(opened, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(opened)
        modified = os.fstat(opened).st_mtime_ns
    os.replace(_NEW, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
    return modified


def _below(folder: Path, before: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        path = before + entry.name
        try:
            check_path(path)
        except InvalidArguments:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(folder / entry.name, f"{path}/")
        elif entry.is_file(follow_symlinks=False):
            yield path
