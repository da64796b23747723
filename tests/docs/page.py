"""Runs the blocks of one page in their order, in a directory of its own."""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import re
import socket
import sys
import tomllib
import types
from pathlib import Path

import pytest
import yaml

from emonk.agent.file import read_agent_file
from tests.docs.blocks import Block
from tests.docs.example_repository import make_repository
from tests.docs.matching import difference, matches
from tests.docs.shell import Finished, Shell, Step, steps_of
from tests.docs.stand_in import answers_of, gemini_stand_in

_DEFAULT_PORT = "8080"
_SHOWN_PORTS = (_DEFAULT_PORT, "8299")


class Page:
    """What the blocks of a page share: a namespace, an event loop, a shell, a directory and an environment."""

    def __init__(self, project: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._project = project
        self._directory = directory
        self._here = directory / "here"
        self._here.mkdir()
        self._ports = {shown: str(_free_port()) for shown in _SHOWN_PORTS}
        self._monkeypatch = monkeypatch
        self._environment = _environment(project, directory)
        self._module = types.ModuleType("__main__")
        self._cleanup = contextlib.ExitStack()
        self._runner = self._cleanup.enter_context(asyncio.Runner())
        self._shell: Shell | None = None

    def run(self, blocks: list[Block]) -> None:
        """Run all blocks; the first that is not as the page says fails the test."""
        # Classes find their annotations' names, and `if __name__ == "__main__"` runs, as in a script.
        self._monkeypatch.setitem(sys.modules, "__main__", self._module)
        self._monkeypatch.setenv("EMONK_DATA_DIR", self._environment["EMONK_DATA_DIR"])
        with self._cleanup:
            for block in blocks:
                self._check(block)

    def _check(self, block: Block) -> None:
        place = self._place(block)
        if "gemini" in block.directives:
            answers = answers_of(block.directives["gemini"])
            self._set("EMONK_GEMINI_BASE_URL", self._cleanup.enter_context(gemini_stand_in(answers)))
            self._set("GEMINI_API_KEY", "a-key-of-the-stand-in")
        match block.language:
            case "python":
                self._monkeypatch.chdir(place)
                self._python(block)
            case "console":
                self._console(block, place)
            case "json":
                json.loads(block.text)
            case "toml":
                tomllib.loads(block.text)
            case "yaml":
                self._yaml(block)
            case _:
                pass

    def _yaml(self, block: Block) -> None:
        content = yaml.safe_load(block.text)
        if isinstance(content, dict) and "agent" in content:
            path = self._directory / "agent.yaml"
            path.write_text(block.text, encoding="utf-8")
            read_agent_file(path)

    def _place(self, block: Block) -> Path:
        if "project" in block.directives:
            return self._project
        if "repository" in block.directives:
            repository = self._directory / "weather"
            if not repository.exists():
                make_repository(repository, self._environment)
            return repository
        return self._here

    def _set(self, name: str, value: str) -> None:
        self._environment[name] = value
        self._monkeypatch.setenv(name, value)
        if self._shell is not None:
            self._shell.export(name, value)

    def _python(self, block: Block) -> None:
        tree = ast.parse(block.text, block.page)
        ast.increment_lineno(tree, block.line - 1)
        code = compile(tree, block.page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        run = types.FunctionType(code, vars(self._module))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if code.co_flags & inspect.CO_COROUTINE:
                self._runner.run(run())
            else:
                run()
        if block.shown is not None and not matches(block.shown, printed.getvalue()):
            pytest.fail(f"{block.place}\n{difference(block.shown, printed.getvalue())}", pytrace=False)

    def _console(self, block: Block, place: Path) -> None:
        if self._shell is None:
            scratch = self._directory / "shell"
            scratch.mkdir()
            self._shell = Shell(scratch, self._environment)
            self._cleanup.callback(self._shell.close)
        self._shell.enter(place)
        steps = steps_of(block.text)
        for number, step in enumerate(steps):
            command = self._with_port(step.command)
            background = number == 0 and "background" in block.directives
            finished = (
                self._shell.start(command, self._with_port(step.shown)) if background else self._shell.run(command)
            )
            following = steps[number + 1].command if number + 1 < len(steps) else ""
            self._judge(block, step, finished, so_far=background, status_is_shown=following.strip() == "echo $?")

    def _judge(self, block: Block, step: Step, finished: Finished, *, so_far: bool, status_is_shown: bool) -> None:
        printed = finished.printed
        for shown, port in self._ports.items():
            printed = printed.replace(f":{port}", f":{shown}")
        if not matches(step.shown, printed, so_far=so_far):
            pytest.fail(f"{block.place}: $ {step.command}{difference(step.shown, printed)}", pytrace=False)
        if finished.status and not status_is_shown:
            reason = f"exit status {finished.status}; a command that fails is followed by `$ echo $?`"
            pytest.fail(f"{block.place}: $ {step.command}{reason}\n{printed}", pytrace=False)

    def _with_port(self, text: str) -> str:
        """Other ports than those shown, which may be in use: pages are checked side by side."""
        default = self._ports[_DEFAULT_PORT]
        text = re.sub(r"\bemonk serve\b(?!.*--port)", f"emonk serve --port {default}", text)
        text = re.sub(r"\bmake run\b(?!.*ARGS)", f'make run ARGS="--port {default}"', text)
        for shown, port in self._ports.items():
            text = re.sub(rf"(127\.0\.0\.1:|localhost:|--port ){shown}\b", rf"\g<1>{port}", text)
        return text


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _environment(project: Path, directory: Path) -> dict[str, str]:
    """The same for every reader: no keys, no settings, English, plain text of 100 columns."""
    return {
        "PATH": f"{project / '.venv' / 'bin'}:{os.environ['PATH']}",
        "HOME": str(directory),
        "EMONK_DATA_DIR": str(directory / "data"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }
