"""Set up `.uv` (uv itself) and `.venv` (emonk with what it needs), with nothing but Python and pip.

`setup.py run` installs what the main job needs, `setup.py dev` also what every extra and development need. What is
up to date is left alone, so that a second call returns at once; a setup that was interrupted is done again.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the newcomer's Python may be older than the project's
    sys.exit("emonk needs Python 3.11 or newer, this is {}.{}; try: make PYTHON=python3.12".format(*sys.version_info))

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_HOME = ROOT / ".uv"
UV = UV_HOME / "bin" / "uv"
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
LOCKS = {"run": ROOT / "requirements-run.lock", "dev": ROOT / "requirements.lock"}
UV_LOCK = ROOT / "requirements-uv.lock"


class State:
    """What a directory was last set up with, kept inside it: the words of one line, absent until a setup succeeded."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / ".emonk-setup"

    def read(self) -> str:
        try:
            return self._file.read_text(encoding="utf-8")
        except OSError:
            return ""

    def write(self, words: str) -> None:
        scratch = self._file.with_suffix(".new")
        scratch.write_text(words, encoding="utf-8")
        scratch.replace(self._file)


def digest(*paths: Path) -> str:
    """One digest over the contents of files."""
    contents = hashlib.sha256()
    for path in paths:
        contents.update(hashlib.sha256(path.read_bytes()).digest())
    return contents.hexdigest()


def call(*command: str | Path, **environment: str) -> None:
    """Run a command in the project's root; its failure ends the setup with its own words and exit status."""
    finished = subprocess.run(command, cwd=ROOT, env=os.environ | environment, stdin=subprocess.DEVNULL, check=False)
    if finished.returncode:
        print(f"setup: {Path(command[0]).name} failed, see above; run make again when it is mended", file=sys.stderr)
        sys.exit(finished.returncode)


def set_up_uv() -> None:
    """Install the locked uv into `.uv`: one found on PATH may be any version, from anywhere."""
    state, wanted = State(UV_HOME), digest(UV_LOCK)
    if state.read() == wanted and UV.exists():
        return
    if importlib.util.find_spec("pip") is None:
        sys.exit(f"setup: {sys.executable} has no pip; on Debian and Ubuntu: apt-get install python3-pip")
    print("setup: uv into .uv", flush=True)
    shutil.rmtree(UV_HOME, ignore_errors=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    # A user's settings may contradict --target; an old pip ignores those it does not know.
    settings = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_ROOT_USER_ACTION": "ignore"}
    call(*pip, "--target", UV_HOME, "--require-hashes", "-r", UV_LOCK, **settings)
    state.write(wanted)


def venv_works(interpreter: str) -> bool:
    """Whether `.venv` is there, runs, and was made here from this Python."""
    probe = "import sys; print(sys.version, sys.base_prefix)"
    try:
        found = subprocess.run([VENV_PYTHON, "-c", probe], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return found.returncode == 0 and found.stdout.strip() == interpreter


def set_up_venv(kind: str) -> None:
    """Bring `.venv` to what the lock of `kind` says; one set up for development stays so."""
    interpreter = f"{sys.version} {sys.base_prefix}"
    state = State(VENV)
    last_kind, _, last = state.read().partition(" ")
    if last_kind == "dev":
        kind = "dev"
    wanted = f"{digest(LOCKS[kind], ROOT / 'pyproject.toml')} {ROOT}"
    works = venv_works(interpreter) and last.endswith(str(ROOT))
    if works and (last_kind, last) == (kind, wanted):
        return
    if not works:
        call(UV, "venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, VENV)
    state.write(f"{kind} unfinished {ROOT}")
    print(f"setup: {LOCKS[kind].name} into .venv", flush=True)
    install = ("--quiet", "--python", VENV_PYTHON)
    call(UV, "pip", "sync", *install, "--require-hashes", LOCKS[kind])
    call(UV, "pip", "install", *install, "--no-deps", "--no-build-isolation", "--editable", ROOT)
    state.write(f"{kind} {wanted}")


@contextlib.contextmanager
def alone() -> Generator[None]:
    """Let one setup work at a time: `make run` in one terminal, `make test` in another."""
    with Path(__file__).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def main(kind: str) -> None:
    """Set up uv, then the environment of `kind`: `run` or `dev`."""
    with alone():
        set_up_uv()
        set_up_venv(kind)


if __name__ == "__main__":
    if sys.argv[1:] not in (["run"], ["dev"]):
        sys.exit("usage: setup.py run|dev")
    main(sys.argv[1])
