"""The official Firestore emulator for tests: a process on a free port of this machine that forgets all when it ends.

    with Emulator() as emulator:
        os.environ["FIRESTORE_EMULATOR_HOST"] = emulator.host
        url = emulator.new_database()

It is a part of the Google Cloud CLI (`gcloud components install cloud-firestore-emulator`) and needs Java.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType

from emonk.ids import uuid7

_LAUNCHER = Path("platform/cloud-firestore-emulator/cloud_firestore_emulator")
_JAVA_OPTIONS = "-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_ATTEMPTS = 3


def missing() -> str:
    """Why no emulator can be started here; empty when one can."""
    if shutil.which("java") is None:
        return "no java on PATH"
    if launcher() is None:
        return "no Firestore emulator in the Google Cloud CLI" if shutil.which("gcloud") else "no gcloud on PATH"
    return ""


def launcher() -> Path | None:
    """The program that starts the emulator, None where it is not installed."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return None
    # The CLI's own directory is two above its program, unless a package put the program elsewhere.
    root = Path(gcloud).resolve().parent.parent
    if (root / _LAUNCHER).exists():
        return root / _LAUNCHER
    command = [gcloud, "info", "--format=value(installation.sdk_root)", "--quiet"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own words
    path = Path(said.stdout.strip() or "/nonexistent") / _LAUNCHER
    return path if path.exists() else None


class Emulator:
    """A running emulator.

    Attributes:
        port: of 127.0.0.1; the same one after `stop` and `start`.
        pid: of its process group, 0 while it does not run.
    """

    def __init__(self, port: int = 0, pid: int = 0) -> None:
        """Prepare one, or take one that another process has started.

        Raises:
            FileNotFoundError: Java or the emulator is not installed.
        """
        reason = missing()
        found = launcher()
        if reason or found is None:
            raise FileNotFoundError(reason)
        self._launcher = found
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        self.pid = pid

    @property
    def host(self) -> str:
        """What `FIRESTORE_EMULATOR_HOST` is to be."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it serves.

        Raises:
            RuntimeError: it ended, or did not serve in time; with what it said.
        """
        said, fixed = "", self.port
        for _ in range(_ATTEMPTS):  # another program may take the port before it does
            self.port = fixed or _free_port()
            with tempfile.TemporaryFile() as output:
                self._launch(output.fileno())
                if self._wait_until_ready():
                    return
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
            self.stop()
        raise RuntimeError(f"the Firestore emulator does not start: {said or 'it said nothing'}")

    def stop(self) -> None:
        """End it and whatever it started; its data go with it."""
        if not self.pid:
            return
        for number, patience in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, _STOP_SECONDS)):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                break
            if self._ended_within(patience):
                break
        self._process, self.pid = None, 0

    def leave(self) -> None:
        """Let it run for another process, which ends it by its `pid`."""
        if self._process is not None:
            self._process.returncode = 0  # else it is told as forgotten when it is collected
            self._process = None

    def new_database(self) -> str:
        """The URL of an empty database; the emulator makes whichever is asked for."""
        return f"firestore://emonk-{uuid7().replace('-', '')[-20:]}"

    def __enter__(self) -> "Emulator":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, output: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [self._launcher, "start", "--host=127.0.0.1", f"--port={self.port}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "JAVA_TOOL_OPTIONS": _JAVA_OPTIONS},
            start_new_session=True,
        )
        self.pid = self._process.pid

    def _wait_until_ready(self) -> bool:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process is not None and self._process.poll() is None:
            if _serves(self.port):
                return True
            time.sleep(0.05)
        return False

    def _ended_within(self, seconds: float) -> bool:
        """Whoever did not start it cannot tell a process that has ended from one that waits to be collected."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            gone = self._process is None or self._process.poll() is not None
            if gone and not _listens(self.port):
                return True
            time.sleep(0.02)
        return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _serves(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
