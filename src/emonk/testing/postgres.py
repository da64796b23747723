"""A PostgreSQL server for tests: a temporary cluster that listens on nothing but a socket in its own directory.

    with Cluster() as cluster:
        url = cluster.new_database()

It needs the programs of a PostgreSQL server (`initdb`, `pg_ctl`), on PATH or where Debian keeps them.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Literal

from emonk.ids import uuid7

_PLACES = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt")
_SUPERUSER = "emonk"
_PORT = 5432
_SETTINGS = (
    "listen_addresses = ''\nmax_connections = 100\nshared_buffers = 32MB\nautovacuum = off\nlog_timezone = UTC\n"
)
_FAST = "fsync = off\nfull_page_writes = off\n"
_LOGINS = "local all locked scram-sha-256\nlocal all all trust\n"


def programs() -> Path | None:
    """The directory of a server's programs, the newest one; None where there is none."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = [path.parent for place in _PLACES for path in Path(place).glob("*/bin/initdb")]
    return max(
        found,
        key=lambda path: [int(part) for part in path.parent.name.split("@")[-1].split(".") if part.isdigit()],
        default=None,
    )


class Cluster:
    """A server and its databases; only a role of the name `locked` is asked for a password.

    Attributes:
        directory: everything of it.
    """

    def __init__(self, directory: Path | None = None, *, durable: bool = False) -> None:
        """Make one, or take one that another process has made.

        Args:
            directory: of the other process's.
            durable: flush to the disk, as a server in use does; tests are faster without.

        Raises:
            FileNotFoundError: the programs are not there.
        """
        found = programs()
        if found is None:
            raise FileNotFoundError("no initdb on PATH or in /usr/lib/postgresql")
        self._programs = found
        # Not where TMPDIR says: the path of a socket must be short.
        self.directory = directory or Path(tempfile.mkdtemp(prefix="emonk-pg-", dir="/tmp"))
        self._data = self.directory / "data"
        self._user = _unprivileged()
        # Not by `user=`, which forks: then libraries with threads, such as gRPC, run their fork handlers in the child.
        user = self._user
        ids = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups") if user else ()
        self._as_user = ("setpriv", *ids) if ids else ()
        if directory is None:
            self._make(durable=durable)

    def start(self) -> None:
        """Start it, and wait until it serves."""
        log = self.directory / "log"
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-t", "30", "start")

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """End it; `immediate` is as a crash."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "-t", "30", "stop")

    def remove(self) -> None:
        """Remove everything of a cluster that was stopped."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def url(self, database: str = "postgres", *, user: str = _SUPERUSER) -> str:
        """The URL of a database, whether or not it exists; `user` may be followed by a password."""
        return f"postgresql://{user}@/{database}?host={self.directory}&port={_PORT}"

    def new_database(self, *options: str) -> str:
        """Create an empty database; its URL."""
        name = "d" + uuid7().replace("-", "")
        self._run("createdb", "-h", self.directory, "-p", str(_PORT), "-U", _SUPERUSER, *options, name)
        return self.url(name)

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        self.remove()

    def _make(self, *, durable: bool) -> None:
        if self._user is not None:
            shutil.chown(self.directory, self._user.pw_uid)
        options = ("--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust", f"--username={_SUPERUSER}")
        self._run("initdb", "-D", self._data, *options)
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"unix_socket_directories = '{self.directory}'\nport = {_PORT}\n{_SETTINGS}")
            file.write("" if durable else _FAST)
        (self._data / "pg_hba.conf").write_text(_LOGINS, encoding="utf-8")

    def _run(self, program: str, *arguments: str | Path) -> None:
        """Run one of the server's programs, as another user where this is root, which PostgreSQL refuses."""
        output = self.directory / f"{program}-{os.getpid()}.out"
        with output.open("w", encoding="utf-8") as file:
            done = subprocess.run(  # noqa: S603 - our own words
                [*self._as_user, self._programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,  # a server that is started keeps it open: no pipe
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**os.environ, "LC_ALL": "C"},
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"{program}: {output.read_text(encoding='utf-8', errors='replace').strip()}")


def _unprivileged() -> pwd.struct_passwd | None:
    if sys.platform == "win32" or os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None
