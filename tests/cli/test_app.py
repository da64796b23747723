"""What all commands have in common: help, versions, and one line for what is wrong."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import emonk as package
from emonk.cli.terminal import one_line, visible
from emonk.cli.trouble import UsageError, report
from emonk.errors import InvalidConfig, Unavailable
from tests.cli.running import EMONK, emonk, refused, write_agent


def test_help_lists_the_commands() -> None:
    ended = emonk("--help")
    assert ended.returncode == 0
    assert [line.split()[0] for line in ended.stdout.split("Commands:\n")[1].splitlines()] == [
        "review",
        "chat",
        "serve",
        "costs",
        "sim",
        "rerun",
        "effects",
        "router",
        "sessions",
    ]
    assert emonk().stdout == ended.stdout


@pytest.mark.parametrize(
    "command",
    [
        "review",
        "chat",
        "serve",
        "sim",
        "effects list",
        "effects settle",
        "sessions",
        "sessions list",
        "sessions show",
        "sessions export",
    ],
)
def test_every_command_has_help(command: str) -> None:
    ended = emonk(*command.split(), "--help")
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"Usage: emonk {command} ")


def test_help_loads_no_heavy_library() -> None:
    code = "import sys; from emonk.cli.app import run; run(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("aiohttp", "asyncio", "starlette", "uvicorn", "yaml", "rich", "sqlite3", "pydantic"):
        assert f"'{heavy}'" not in ended.stderr


def test_version() -> None:
    assert emonk("--version").stdout == f"emonk {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serv"], "serve"),
        (["chat", "--nope"], "--nope"),
        (["sessions"], "Missing command"),
        (["sessions", "list", "--limit", "0"], "--limit"),
        (["sessions", "show"], "ID"),
        (["serve", "--port", "port"], "--port"),
    ],
)
def test_wrong_arguments_get_one_line_and_code_2(arguments: list[str], said: str) -> None:
    line = refused(*arguments)
    assert said in line
    assert "--help" in line


def test_a_reader_that_goes_away_is_no_trouble() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        ended = subprocess.run([*EMONK, "--help"], stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that Linux has")
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["sessions", "list"], ["chat", "-m", "hi"]])
def test_output_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    for stream, said in ((">/dev/full", "No space left on device"), (">&-", "closed")):
        command = ["sh", "-c", f'exec "$@" {stream}', "sh", *EMONK, *arguments]
        ended = subprocess.run(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        assert said in ended.stderr


def test_other_closed_streams_are_no_trouble() -> None:
    command = ["sh", "-c", 'exec "$@" <&- 2>&-', "sh", *EMONK]
    for arguments, code in ((["chat", "-m", "hi"], 0), (["chat"], 2), (["chat", "nobody", "-m", "hi"], 2)):
        ended = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert (ended.returncode, bool(ended.stdout)) == (code, not code)


def test_what_the_output_cannot_encode_is_replaced(tmp_path: Path) -> None:
    agent = write_agent(tmp_path)
    ended = emonk("chat", agent, "-m", "greet \u00c5sa", PYTHONIOENCODING="ascii")
    assert (ended.returncode, "?sa" in ended.stdout) == (0, True), ended
    assert emonk("sessions", "list", PYTHONIOENCODING="ascii").returncode == 0


def test_the_data_directory_and_its_log_are_private() -> None:
    assert emonk("chat", "-m", "hi").returncode == 0
    folder = Path(os.environ["EMONK_DATA_DIR"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_errors_decide_about_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(UsageError("no", "do")) == 2
    assert report(InvalidConfig("bad\nline")) == 2
    assert report(Unavailable("down", hint="wait")) == 1
    assert capsys.readouterr().err == "error: no (do)\nerror: bad line\nerror: down (wait)\n"


def test_a_defect_is_one_line_and_a_traceback_in_the_log() -> None:
    code = "from emonk.cli.trouble import report\ntry: 1/0\nexcept ZeroDivisionError as e: raise SystemExit(report(e))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    log = Path(os.environ["EMONK_DATA_DIR"]) / "emonk.log"
    assert str(log) in ended.stderr
    assert "Traceback" in log.read_text()
    shown = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"EMONK_DEBUG": "1"}, capture_output=True, text=True, check=False
    )
    assert "Traceback" in shown.stderr


def test_control_characters_are_shown_not_obeyed() -> None:
    assert visible("a\x1b[31mb\x07\x9b\r\n\tc\u202e\rd") == "a\u241b[31mb\u2407\\x9b\n\tc\\u202e\u240dd"
    assert one_line("one\n  two\x00") == "one two\u2400"
    assert one_line("one two three", 8) == "one two\u2026"
