"""A PostgreSQL server and a Firestore emulator for the tests of one run, and a database for each of them."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emonk.testing.firestore import Emulator, missing
from emonk.testing.postgres import Cluster, programs
from tests.requirements import skip_without


@contextmanager
def locked(path: Path) -> Generator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Generator[Cluster]:
    """The server of this run: the first of its workers starts it, and the last one to leave ends it."""
    if programs() is None:
        skip_without("postgres", "no initdb on PATH or in /usr/lib/postgresql")
    base = tmp_path_factory.getbasetemp()
    base = base.parent if hasattr(request.config, "workerinput") else base
    lock, users, place = (base / f"postgres-{name}" for name in ("lock", "users", "place"))
    with locked(lock):
        if users.exists():
            found = Cluster(Path(place.read_text()))
        else:
            found = Cluster()
            found.start()
            place.write_text(str(found.directory))
        _count(users, 1)
    try:
        yield found
    finally:
        with locked(lock):
            if _count(users, -1) == 0:
                users.unlink()
                found.stop("immediate")
                found.remove()


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The URL of an empty database."""
    return cluster.new_database()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Generator[Emulator]:
    """The emulator of this run: the first of its workers starts it, and the last one to leave ends it."""
    if reason := missing():
        skip_without("firestore", reason)
    base = tmp_path_factory.getbasetemp()
    base = base.parent if hasattr(request.config, "workerinput") else base
    lock, users, place = (base / f"firestore-{name}" for name in ("lock", "users", "place"))
    with locked(lock):
        if users.exists():
            port, pid = place.read_text().split()
            found = Emulator(int(port), int(pid))
        else:
            found = Emulator()
            found.start()
            place.write_text(f"{found.port} {found.pid}")
        _count(users, 1)
    try:
        yield found
    finally:
        with locked(lock):
            if _count(users, -1) == 0:
                users.unlink()
                found.stop()
            else:
                found.leave()


@pytest.fixture
def firestore(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database of the emulator."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulator.host)
    return emulator.new_database()


@pytest.fixture
def own_emulator(monkeypatch: pytest.MonkeyPatch) -> Generator[Emulator]:
    """An emulator that the test may stop and start."""
    if reason := missing():
        skip_without("firestore", reason)
    with Emulator() as found:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", found.host)
        yield found


@pytest.fixture
def own_cluster() -> Generator[Cluster]:
    """A server that the test may stop and start."""
    if programs() is None:
        skip_without("postgres", "no initdb on PATH or in /usr/lib/postgresql")
    with Cluster() as found:
        yield found


@pytest.fixture(params=["sqlite", "postgres", "firestore"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database, of every kind that several processes can share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'store.db'}"
    return request.getfixturevalue("database" if request.param == "postgres" else "firestore")


def _count(path: Path, change: int) -> int:
    number = (int(path.read_text()) if path.exists() else 0) + change
    path.write_text(str(number))
    return number
