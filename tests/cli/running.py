"""`emonk` as a user runs it: its own process, a pipe or a terminal, and a small agent of a file."""

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.requirements import skip_without

START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from emonk.cli import main; main()"
"""What the background jobs of a script inherit is to ignore ctrl-c, and who runs the tests may be one."""

EMONK = (sys.executable, "-c", START)
PATIENCE = 30.0
"""Seconds after which a process that does not do what the test waits for is taken to be stuck."""

AGENT = """\
agent:
  name: helper
  llm: {model: offline}
  skills_dir: skills
  integrations: [github]
"""
SKILL = """\
---
name: chores
description: Small chores.
risk: low
tools:
  - {script: greet.sh, name: greet, description: Greet somebody., idempotent: true,
     triggers: ["greet {who}"], parameters: {who: {type: string}}}
  - {script: wait.sh, name: wait_long, description: Wait for a long time., idempotent: true,
     triggers: ["wait a while"]}
---
"""


def write_agent(folder: Path) -> Path:
    """An agent without a language model, that greets, and waits."""
    chores = folder / "skills" / "chores"
    chores.mkdir(parents=True)
    (chores / "SKILL.md").write_text(SKILL)
    (chores / "greet.sh").write_text("printf 'Hello \\033[31m%s' \"$ARG_WHO\"\n")
    (chores / "wait.sh").write_text("sleep 600\n")
    (folder / "agent.yaml").write_text(AGENT)
    return folder / "agent.yaml"


def emonk(*arguments: object, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; without `stdin` there is nothing to read."""
    return subprocess.run(
        [*EMONK, *map(str, arguments)],
        input=stdin or "",
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def refused(*arguments: object, code: int = 2, **environment: str) -> str:
    """The one line on standard error with which a command refuses."""
    ended = emonk(*arguments, **environment)
    assert (ended.returncode, ended.stdout) == (code, ""), ended
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("error: ")
    return ended.stderr.strip()


class Terminal:
    """`emonk` on a terminal of its own."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        self._command = [*EMONK, *map(str, arguments)]
        self._environment = {**os.environ, "TERM": "xterm", "INPUTRC": os.devnull, **environment}
        self.seen = ""
        self._shown = 0

    def __enter__(self) -> Self:
        try:
            self._pid, self._screen = pty.fork()
        except OSError as error:
            skip_without("pty", f"no terminal can be made: {error}")
        if self._pid == 0:
            os.execve(self._command[0], self._command, self._environment)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._screen)

    def type(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def expect(self, text: str) -> None:
        """Wait until the terminal shows `text`, after what earlier calls waited for."""
        while (found := self.seen.find(text, self._shown)) < 0:
            assert self._read(), f"{text!r} did not appear: {self.seen[self._shown :]!r}"
        self._shown = found + len(text)

    def wait_until_idle(self) -> None:
        """Wait until the process waits for a key (seen on Linux only), as it does when a person presses one.

        Between its last output and that wait, Python's line editor overlooks a ctrl-c until the next one.
        """
        waits_in = Path(f"/proc/{self._pid}/wchan")
        for _ in range(10_000):
            if not waits_in.exists() or "poll" in waits_in.read_text():
                break
            os.sched_yield()

    def end(self) -> int:
        """Wait for the process to end; its exit code."""
        while self._read():
            pass
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._screen], [], [], PATIENCE)
        assert ready, f"nothing more came: {self.seen[self._shown :]!r}"
        try:
            data = os.read(self._screen, 65536)
        except OSError:  # Linux tells so that the other side is closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)


@contextmanager
def serving(*arguments: object, **environment: str) -> "Generator[tuple[subprocess.Popen[str], str]]":
    """`emonk serve` on a free port, and the address that it printed."""
    command = [*EMONK, "serve", *map(str, arguments), "--port", "0"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=os.environ | environment, **pipes)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()
