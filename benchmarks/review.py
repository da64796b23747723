"""What a review costs: `python benchmarks/review.py`.

`emonk review` in a process of its own, over a repository of 100,000 lines in which 20 files change, and over a change
of 50,000 lines. Seconds are wall time; memory is the largest resident set of the command and of any child it had.
Exits with 1 when the first takes more than 10 seconds or either more than 400 MB.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 10.0
MEGABYTES = 400.0
FILES = 500
LINES = 200
CHANGED = 20
REVIEW = """
import resource, sys
from emonk.cli.app import run
code = run(["review", "--repo", sys.argv[1], "--format", "json", "--output", sys.argv[2]])
peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(max(peaks) if sys.platform != "darwin" else max(peaks) // 1024)
sys.exit(code)
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        report = {
            "20 files of 100,000 lines": measure(Path(directory) / "large", large_repository),
            "50,000 changed lines": measure(Path(directory) / "wide", wide_change),
        }
    print(json.dumps(report, indent=2))
    slow = report["20 files of 100,000 lines"]["seconds"] > SECONDS
    return int(slow or any(figures["megabytes"] > MEGABYTES for figures in report.values()))


def measure(repository: Path, make: Callable[[Path], None]) -> dict[str, float]:
    make(repository)
    output = repository.parent / f"{repository.name}.json"
    started = time.monotonic()
    command = [sys.executable, "-c", REVIEW, str(repository), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.monotonic() - started
    found = json.loads(output.read_text())
    return {
        "seconds": round(seconds, 2),
        "megabytes": round(int(done.stdout) / 1024, 1),
        "changed_files": found["summary"]["files"],
        "changed_lines": found["summary"]["lines_added"] + found["summary"]["lines_removed"],
        "findings": len(found["findings"]),
        "complete": found["summary"]["complete"],
    }


def large_repository(path: Path) -> None:
    """500 modules of 200 lines, every tenth with a test; then a function of 20 of them changes and a flaw comes in."""
    for number in range(FILES):
        write(path / f"package/area{number % 20}/module{number}.py", module(number))
        if not number % 10:
            write(path / f"tests/test_module{number}.py", f"def test_it():\n    assert compute_{number}_0(1, 2)\n")
    write(path / "CHANGELOG.md", "# Changes\n")
    commit(path)
    for number in range(0, CHANGED * 20, 20):
        text = module(number).replace("return total + 3", "return total * 3")
        flaw = f"\n\ndef run_{number}(command, extra=None):\n    return subprocess.call(command, shell=True)\n"
        write(path / f"package/area{number % 20}/module{number}.py", f"import subprocess\n{text}{flaw}")
    commit(path)


def wide_change(path: Path) -> None:
    """25 modules of 1,000 lines, every line of which changes."""
    for number in range(25):
        write(path / f"wide/module{number}.py", "".join(f"value_{line} = {line}\n" for line in range(1000)))
    commit(path)
    for number in range(25):
        write(path / f"wide/module{number}.py", "".join(f"number_{line} = {line} + 1\n" for line in range(1000)))
    commit(path)


def module(number: int) -> str:
    functions = [
        f"def compute_{number}_{part}(first, second):\n"
        f'    """Add things up."""\n'
        f"    total = first + second\n"
        f"    for step in range({part}):\n"
        f"        total += step\n"
        f"    if total > {number}:\n"
        f"        return total + 3\n"
        f"    return total\n\n\n"
        for part in range(LINES // 10)
    ]
    return "".join(functions)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def commit(path: Path) -> None:
    if not (path / ".git").exists():
        subprocess.run(["git", "init", "-q", str(path)], check=True)
    author = {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for arguments in (["add", "--all"], ["commit", "-q", "--no-gpg-sign", "-m", "change"]):
        subprocess.run(["git", *arguments], cwd=path, env={**os.environ, **author}, check=True)


if __name__ == "__main__":
    sys.exit(main())
