"""Child processes that end with the review that started them, in bounded time, with bounded output."""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

import msgspec

from emonk.errors import ConfigError, DeadlineExceeded, InfraError

PATIENCE = 120.0
"""Seconds that a child may take."""
MOST_OUTPUT = 256 * 1024 * 1024
"""Bytes that a child may print."""
_CHUNK = 1024 * 1024
Watch = Callable[[bytes], None]
"""Is shown each piece of output as it comes, and raises to end the child."""


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
    """Starts children, each in its own process group; `cancel()`, from any thread, kills them and refuses new ones.

    Args:
        patience: seconds that each may take.
        most_output: bytes that each may print.
    """

    def __init__(self, *, patience: float = PATIENCE, most_output: int = MOST_OUTPUT) -> None:
        self._patience = patience
        self._most_output = most_output
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
                _kill(child)

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        feed: bytes = b"",
        watch: Watch | None = None,
    ) -> Completed:
        """Run to the end; input and errors go through files, so that neither side can block the other.

        Output comes through a pipe: once nobody reads it, because this process was killed, it ends the child.

        Raises:
            ConfigError: the program is not installed.
            Cancelled: `cancel()` was called before it ended.
            DeadlineExceeded: it took too long.
            InfraError: it printed too much.
        """
        deadline = time.monotonic() + self._patience
        with TemporaryFile() as source, TemporaryFile() as errors:
            source.write(feed)
            source.seek(0)
            child = self._start(command, cwd, env, (source.fileno(), errors.fileno()))
            try:
                output = self._read(command[0], child, deadline, watch)
                child.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired as error:
                hint = "is a file of the repository no file, or the machine overloaded?"
                raise DeadlineExceeded(f"{command[0]} took more than {self._patience:g} s", hint=hint) from error
            finally:
                self._forget(child)
            self.check()
            errors.seek(0)
            return Completed(child.returncode, output, errors.read(_CHUNK).decode("utf-8", "replace"))

    def _read(self, command: str, child: subprocess.Popen[bytes], deadline: float, watch: Watch | None) -> bytes:
        output = bytearray()
        while chunk := _next(child, deadline):
            output += chunk
            if watch is not None:
                watch(chunk)
            if len(output) > self._most_output:
                hint = "review fewer commits at once"
                raise InfraError(f"{command} printed more than {self._most_output:,} bytes", hint=hint)
        return bytes(output)

    def _start(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], files: tuple[int, int]
    ) -> subprocess.Popen[bytes]:
        stdin, stderr = files
        with self._lock:
            self.check()
            if shutil.which(command[0], path=env.get("PATH")) is None:
                raise ConfigError(f"{command[0]} is not installed", hint="install it and put it on PATH")
            child = subprocess.Popen(  # noqa: S603 - the callers pass git and ruff with fixed options
                [*_leash(), *command],
                bufsize=0,
                cwd=cwd,
                env=dict(env),
                process_group=0,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
            self._running.add(child)
            return child

    def _forget(self, child: subprocess.Popen[bytes]) -> None:
        """A child that has not ended yet is of no use any more."""
        with self._lock:
            if child.poll() is None:
                _kill(child)
            child.wait()
            self._running.discard(child)
        if child.stdout is not None:
            child.stdout.close()


@cache
def _leash() -> tuple[str, ...]:
    """What makes Linux kill a child when the thread that waits for it is killed; empty where nothing does."""
    program = shutil.which("setpriv") if sys.platform == "linux" else None
    if program is None:
        return ()
    leash = (program, "--pdeathsig", "KILL", "--")
    probe = subprocess.run([*leash, program, "--version"], capture_output=True, check=False)  # noqa: S603 - fixed words
    return () if probe.returncode else leash


def _kill(child: subprocess.Popen[bytes]) -> None:
    """With all that it started."""
    with suppress(ProcessLookupError, PermissionError):  # as macOS calls a group that has just ended
        os.killpg(child.pid, signal.SIGKILL)


def _next(child: subprocess.Popen[bytes], deadline: float) -> bytes:
    """The next piece of output, empty at its end.

    Raises:
        subprocess.TimeoutExpired: nothing came until then.
    """
    if child.stdout is None:
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        if not selector.select(max(deadline - time.monotonic(), 0)):
            raise subprocess.TimeoutExpired(child.args, 0)
    return os.read(child.stdout.fileno(), _CHUNK)
