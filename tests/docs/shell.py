"""One bash for the console blocks of a page: variables, directories and exit statuses stay between commands."""

import codecs
import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from tests.docs.matching import matches

PATIENCE = 120.0  # seconds for one command


class Step(msgspec.Struct, frozen=True):
    """A command of a console block and the output that the page shows for it."""

    command: str
    shown: str


class Finished(msgspec.Struct, frozen=True):
    """What a command printed (standard output and error, interleaved) and its exit status."""

    printed: str
    status: int


def steps_of(text: str) -> list[Step]:
    """The commands of a console block: `$ command`, going on with `> ` after a backslash or within a here-document.

    Raises:
        ValueError: the block does not begin with a command.
    """
    steps: list[Step] = []
    for line in text.splitlines(keepends=True):
        last = steps[-1] if steps else None
        if line.startswith("$ "):
            steps.append(Step(line[2:], ""))
        elif last is None:
            raise ValueError("a console block begins with `$ ` and a command")
        elif not last.shown and line.startswith("> ") and (last.command.endswith("\\\n") or "<<" in last.command):
            steps[-1] = Step(last.command + line[2:], "")
        else:
            steps[-1] = Step(last.command, last.shown + line)
    return steps


class Shell:
    """A bash process fed with one command at a time; `close` ends it and all that it started."""

    def __init__(self, scratch: Path, environment: Mapping[str, str]) -> None:
        self._scratch = scratch
        self._mark = f"--emonk-docs-{os.getpid()}-{id(self)}--"
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._status = 0
        self._commands = 0

    def enter(self, directory: Path) -> None:
        self._status = self._evaluate(f"cd {shlex.quote(str(directory))}").status

    def export(self, name: str, value: str) -> None:
        self._status = self._evaluate(f"export {name}={shlex.quote(value)}").status

    def run(self, command: str) -> Finished:
        """Run a command to its end; `$?` is the status of the one before, as in a terminal."""
        script = shlex.quote(str(self._script(command)))
        finished = self._evaluate(f"(exit {self._status}); . {script} </dev/null")
        self._status = finished.status
        return finished

    def start(self, command: str, shown: str) -> Finished:
        """Start a command that goes on, and wait until it has printed what is shown or has ended."""
        script = self._script(command)
        log = script.with_suffix(".log")
        log.touch()
        self._evaluate(f". {shlex.quote(str(script))} </dev/null 9>&1 >{shlex.quote(str(log))} 2>&1 &")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            ended = self._evaluate("kill -0 $! 2>/dev/null").status != 0
            printed = log.read_text(encoding="utf-8", errors="replace")
            if ended or matches(shown, printed, so_far=True):
                return Finished(printed, int(ended))
            time.sleep(0.05)  # a log has no event to wait for
        return Finished(log.read_text(encoding="utf-8", errors="replace"), 1)

    def close(self) -> None:
        """End the shell and wait for all that it started: each holds an end of its pipe."""
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, ending)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.communicate(timeout=5)
                return

    def _script(self, command: str) -> Path:
        self._commands += 1  # one that still runs in the background keeps its own file
        path = self._scratch / f"command-{self._commands}.sh"
        path.write_text(command, encoding="utf-8")
        return path

    def _evaluate(self, line: str) -> Finished:
        if self._process.stdin is None:
            raise RuntimeError("the shell was started without its pipes")
        self._process.stdin.write(f"{line}\nprintf '\\n%s %s\\n' '{self._mark}' $?\n".encode())
        self._process.stdin.flush()
        printed = ""
        for chunk in self._output():
            printed += chunk
            output, marked, rest = printed.partition(f"\n{self._mark} ")
            if marked and rest.endswith("\n"):
                return Finished(output, int(rest))
        return Finished(f"{printed}\nthe shell ended or waited for more than {PATIENCE:.0f} s", 255)

    def _output(self) -> Iterator[str]:
        if self._process.stdout is None:
            raise RuntimeError("the shell was started without its pipes")
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        deadline = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())):
                chunk = os.read(self._process.stdout.fileno(), 65536)
                if not chunk:
                    return
                yield decoder.decode(chunk)
