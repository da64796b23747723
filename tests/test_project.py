"""What the repository promises: nothing of one machine in it, locks that pin and prove, a wheel that is whole."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import PROJECT
from tests.requirements import skip_without

LOCKS = ("requirements.lock", "requirements-run.lock", "requirements-uv.lock")
UV = PROJECT / ".uv" / "bin" / "uv"

# Taken apart, so that this file does not hold what it looks for.
ELSEWHERE = re.compile(
    "|".join(
        (
            "/work" + "/(?:main|shared)",
            "/root" + r"/\.",
            r"(?:files\.)?python" + r"hosted\.org",
            "https?://py" + r"pi\.org/simple",
            "index" + "-url=",
            r"registry\." + r"npmjs\.org",
            r"deb\.debian" + r"\.org",
        )
    )
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        skip_without("git", "this is not a git repository: which files are tracked is not known")
    return [PROJECT / name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Name -> (the requirement with its marker, its hashes)."""
    entries: dict[str, tuple[str, list[str]]] = {}
    for entry in (PROJECT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
        entries[canonicalize_name(Requirement(requirement).name)] = (requirement.strip(), hashes)
    return entries


def pyproject() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def test_no_file_names_a_machine_or_a_registry() -> None:
    texts = ((path, path.read_text(encoding="utf-8", errors="replace")) for path in tracked())
    assert [f"{path.name}: {found[0]}" for path, text in texts if (found := ELSEWHERE.search(text))] == []


def test_no_lock_with_addresses_is_tracked() -> None:
    assert [path for path in tracked() if path.name == "uv.lock"] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_and_proves_every_line_and_names_no_address(name: str) -> None:
    entries = locked(name)
    assert entries
    for requirement, hashes in entries.values():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;@]+(?: ; .+)?", requirement)
        assert hashes
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes)


def test_the_run_lock_is_a_part_of_the_whole_one() -> None:
    whole, run = locked("requirements.lock"), locked("requirements-run.lock")
    assert run.items() <= whole.items()


def test_the_run_lock_holds_what_emonk_and_its_editable_build_ask_for() -> None:
    project = pyproject()
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    run = locked("requirements-run.lock")
    assert [text for text in asked if not satisfied(text, run)] == []


def test_the_whole_lock_holds_every_extra_and_development() -> None:
    project = pyproject()
    asked = [text for extra in project["project"]["optional-dependencies"].values() for text in extra]
    asked += [
        text for group in ("build", "dev") for text in project["dependency-groups"][group] if isinstance(text, str)
    ]
    whole = locked("requirements.lock")
    assert [text for text in asked if not satisfied(text, whole)] == []


def satisfied(text: str, lock: dict[str, tuple[str, list[str]]]) -> bool:
    requirement = Requirement(text)
    if requirement.name == "emonk":
        return requirement.extras <= pyproject()["project"]["optional-dependencies"].keys()
    entry, _ = lock.get(canonicalize_name(requirement.name), ("", []))
    return bool(entry) and requirement.specifier.contains(re.split("==| ", entry)[1], prereleases=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (built,) = directory.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = PROJECT / "src"
    expected = {path.relative_to(package).as_posix() for path in tracked() if path.is_relative_to(package)}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "emonk/py.typed" in names
    assert expected - names == set()
    assert {name for name in names if not name.startswith(("emonk/", "emonk-"))} == set()


def test_the_wheel_installs_and_its_command_runs(wheel: Path, tmp_path: Path) -> None:
    if not UV.exists():
        skip_without("uv", "no .uv here: run make setup")
    venv = tmp_path / "venv"
    uv = [str(UV), "--quiet", "--offline"]
    subprocess.run([*uv, "venv", "--no-project", "--python", sys.executable, venv], check=True)
    install = [*uv, "pip", "install", "--python", venv / "bin" / "python", "--no-deps", wheel]
    subprocess.run(install, check=True)
    (site,) = (venv / "lib").glob("python*/site-packages")
    # The dependencies are those of this environment: its own .pth files, emonk's among them, are not read there.
    (site / "dependencies.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")) + "\n")
    command = subprocess.run(
        [venv / "bin" / "emonk", "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (command.stdout.strip(), command.stderr, command.returncode) == (f"emonk {version()}", "", 0)


def version() -> str:
    return pyproject()["project"]["version"]


LATE = ("aiohttp", "genai_prices", "rich", "sqlite3", "starlette", "structlog", "typer", "unidiff", "uvicorn", "yaml")


@pytest.mark.parametrize("statement", ["import emonk", "from emonk import Agent, tool"])
def test_heavy_libraries_come_late(statement: str) -> None:
    code = f"{statement}; import sys; print(*sorted(sys.modules.keys() & set({LATE})))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_every_public_name_is_there() -> None:
    code = "import emonk; [getattr(emonk, name) for name in emonk.__all__]; print(emonk.__version__)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == version()
