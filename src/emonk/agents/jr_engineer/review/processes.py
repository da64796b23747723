"""Child processes that end with the review that started them."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

import msgspec

from emonk.errors import ConfigError


class Cancelled(Exception):
    """The review was cancelled; its child processes are gone."""


class Completed(msgspec.Struct, frozen=True):
    """What a child process printed and how it ended."""

    status: int
    output: bytes
    errors: str

    @property
    def complaint(self) -> str:
        """The first line that it wrote on standard error."""
        return self.errors.strip().split("\n", 1)[0]


class Processes:
    """Starts children; `cancel()`, from any thread, kills them and refuses new ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._cancelled = False

    def check(self) -> None:
        """Raises: Cancelled: `cancel()` was called."""
        if self._cancelled:
            raise Cancelled

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            for child in self._running:
                child.kill()

    def run(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], feed: bytes = b"") -> Completed:
        """Run to the end; output goes through files, so that neither side can block the other.

        Raises:
            ConfigError: the program is not installed.
            Cancelled: `cancel()` was called before it ended.
        """
        with TemporaryFile() as source, TemporaryFile() as output, TemporaryFile() as errors:
            source.write(feed)
            source.seek(0)
            child = self._start(command, cwd, env, (source.fileno(), output.fileno(), errors.fileno()))
            try:
                child.wait()
            finally:
                self._forget(child)
            self.check()
            output.seek(0)
            errors.seek(0)
            return Completed(child.returncode, output.read(), errors.read().decode("utf-8", "replace"))

    def _start(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], files: tuple[int, int, int]
    ) -> subprocess.Popen[bytes]:
        stdin, stdout, stderr = files
        with self._lock:
            self.check()
            try:
                child = subprocess.Popen(  # noqa: S603 - the callers pass git and ruff with fixed options
                    command, cwd=cwd, env=dict(env), stdin=stdin, stdout=stdout, stderr=stderr
                )
            except FileNotFoundError as error:
                raise ConfigError(f"{command[0]} is not installed", hint="install it and put it on PATH") from error
            self._running.add(child)
            return child

    def _forget(self, child: subprocess.Popen[bytes]) -> None:
        if child.poll() is None:
            child.kill()
            child.wait()
        with self._lock:
            self._running.discard(child)
