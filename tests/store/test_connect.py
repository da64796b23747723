import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from emonk.errors import InvalidConfig, Unavailable
from emonk.records import SessionKey
from emonk.store.connect import connect, data_dir, default_url, sqlite_path
from emonk.testing.clock import ManualClock
from emonk.testing.store_conformance.rig import message

KEY = SessionKey("clerk", "s1")


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite:///dir/",
        "sqlite:///:memory:",
        "sqlite:x.db",
        "sqlite:///a?b=1",
    ],
)
def test_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig, match="write sqlite:///relative"):
        asyncio.run(connect(url))


@pytest.mark.parametrize("url", ["mongodb://localhost/x", "", "store.db", "SQLITE:///x.db"])
def test_unknown_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig, match="does not know"):
        asyncio.run(connect(url))


def test_paths_are_relative_or_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert sqlite_path("sqlite:///a/b.db") == tmp_path / "a" / "b.db"
    assert sqlite_path("sqlite:////var/x y.db") == Path("/var/x y.db")
    assert sqlite_path("sqlite:///~/x.db") == tmp_path / "home" / "x.db"


def test_directories_are_made_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "store.db"

    async def main() -> None:
        store = await connect(url_of(path))
        await store.accept(message("hello"))
        modes = [stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()]
        assert modes == [0o600] * len(modes)
        await store.aclose()

    asyncio.run(main())
    assert list(path.parent.iterdir()) == [path]


def test_one_file_is_shared_until_its_last_holder_closes(tmp_path: Path) -> None:
    path, link = tmp_path / "store.db", tmp_path / "link.db"
    link.symlink_to(path)

    async def main() -> None:
        one, other = await asyncio.gather(connect(url_of(path)), connect(url_of(link)))
        assert _times_open(path) == 1
        await one.aclose()
        await one.aclose()
        with pytest.raises(Unavailable, match="closed"):
            await one.session(KEY)
        assert (await other.accept(message("hello"))).state == "new"
        await other.aclose()
        assert _times_open(path) == 0

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are counted in /proc")
    asyncio.run(main())


def test_closed_file_opens_again(tmp_path: Path) -> None:
    async def main() -> None:
        for state in ("new", "repeated"):
            store = await connect(url_of(tmp_path / "store.db"))
            assert (await store.accept(message("hello"))).state == state
            await store.aclose()

    asyncio.run(main())


def test_store_has_one_clock(tmp_path: Path) -> None:
    url, clock = url_of(tmp_path / "store.db"), ManualClock()

    async def main() -> None:
        store = await connect(url, clock=clock)
        with pytest.raises(InvalidConfig, match="another clock"):
            await connect(url)
        await (await connect(url, clock=clock)).aclose()
        await store.aclose()
        await (await connect(url)).aclose()

    asyncio.run(main())


def test_failed_connect_can_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.mkdir()

    async def main() -> None:
        failures = await asyncio.gather(*(connect(url_of(path)) for _ in range(3)), return_exceptions=True)
        assert [type(failure) for failure in failures] == [InvalidConfig] * 3
        path.rmdir()
        await (await connect(url_of(path))).aclose()

    asyncio.run(main())


def test_data_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMONK_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path
    assert default_url() == f"sqlite:///{tmp_path}/emonk.db"
    assert sqlite_path(default_url()) == tmp_path / "emonk.db"


@pytest.mark.skipif(sys.platform in {"darwin", "win32"}, reason="where Linux programs keep their data")
def test_data_lies_in_the_users_own_place_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMONK_DATA_DIR", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_dir() == tmp_path / ".local" / "share" / "emonk"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert data_dir() == tmp_path / "data" / "emonk"


def test_importing_connect_does_not_import_sqlite() -> None:
    code = "import sys, emonk.store.connect; print('sqlite3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def _times_open(path: Path) -> int:
    return sum(_target(descriptor) == path for descriptor in Path("/proc/self/fd").iterdir())


def _target(descriptor: Path) -> Path | None:
    try:
        return descriptor.readlink()
    except OSError:
        return None
