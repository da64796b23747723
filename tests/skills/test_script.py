import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from emonk.errors import AgentError, DeadlineExceeded, InvalidArguments, InvalidConfig
from emonk.records import RiskLevel
from emonk.skills.frontmatter import ScriptEntry
from emonk.skills.function import Tool
from emonk.skills.process import OUTPUT_LIMIT
from emonk.skills.script import script_tool
from emonk.testing.clock import ManualClock
from tests.skills.calls import context

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")


def script(folder: Path, text: str, variables: tuple[str, ...] = (), **entry: Any) -> Tool[..., Any]:
    (folder / "act.sh").write_text(text)
    return script_tool(ScriptEntry(script="act.sh", name="act", description="Acts.", **entry), folder, variables)


def run(called: Tool[..., Any], **arguments: Any) -> str:
    return asyncio.run(called.run(arguments, context()))


def test_arguments_come_as_json_and_as_variables(tmp_path: Path) -> None:
    made = script(
        tmp_path,
        'cat; echo; echo "$ARG_WHO|$ARG_TIMES|$ARG_DEEP|$ARG_TAGS"',
        parameters={
            "who": {"type": "string", "description": "Whom."},
            "times": {"type": "integer", "default": 2, "minimum": 1},
            "deep": {"type": "boolean", "required": False},
            "tags": {"type": "array", "items": {"type": "string"}, "default": ["a b"]},
        },
        risk=RiskLevel.LOW,
    )
    assert made.risk is RiskLevel.LOW
    assert made.parameters["required"] == ["who"]
    stdin, variables = run(made, who="A 'B' $(rm)", deep=True).splitlines()
    assert json.loads(stdin) == {"who": "A 'B' $(rm)", "times": 2, "deep": True, "tags": ["a b"]}
    assert variables == "A 'B' $(rm)|2|true|[\"a b\"]"
    with pytest.raises(InvalidArguments, match=r"`times`: Expected `int` >= 1"):
        run(made, who="x", times=0)


def test_the_environment_is_what_was_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s")
    monkeypatch.setenv("DECLARED", "d")
    monkeypatch.chdir(tmp_path)
    made = script(tmp_path, "env; echo PWD=$PWD", ("DECLARED",))
    environment = dict(line.split("=", 1) for line in run(made).splitlines())
    assert environment["DECLARED"] == "d"
    assert environment["SKILL_DIR"] == environment["PWD"] == str(tmp_path)
    assert "SECRET_TOKEN" not in environment


def test_what_no_environment_can_hold_is_on_standard_input(tmp_path: Path) -> None:
    made = script(tmp_path, 'cat; echo "${ARG_TEXT-unset}" >&2; exit 1', parameters={"text": {"type": "string"}})
    for text in ("a\0b", "é" * 100_000):
        with pytest.raises(AgentError, match="unset"):
            run(made, text=text)


def test_the_longest_arguments_stay_out_of_an_environment_that_would_be_full(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(60)]
    made = script(
        tmp_path,
        'wc -c; echo "$ARG_SHORT"; env | grep -c ^ARG_P',
        parameters={name: {"type": "string"} for name in [*names, "short"]},
    )
    size, short, variables = run(made, short="here", **dict.fromkeys(names, "x" * 60_000)).splitlines()
    assert int(size) > 60 * 60_000
    assert short == "here"
    assert 0 < int(variables) < 60


def test_parameters_that_can_be_checked_check(tmp_path: Path) -> None:
    made = script(
        tmp_path,
        "cat",
        parameters={
            "word": {"type": "string", "pattern": "^a+$", "minLength": 2, "default": None},
            "size": {"type": "integer", "enum": [1, 2], "required": False},
            "ratio": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
            "rows": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}, "maxItems": 1},
        },
    )
    assert json.loads(run(made, word="aa", size=2, rows=[[1]])) == {
        "word": "aa",
        "size": 2,
        "ratio": 0.5,
        "rows": [[1]],
    }
    for wrong in ({"word": "b"}, {"size": 3}, {"ratio": 2}, {"rows": [[1], [2]]}, {"rows": [["x"]]}):
        with pytest.raises(InvalidArguments):
            run(made, **{"word": "aa", "rows": [[1]], **wrong})


def test_a_failure_shows_the_end_of_the_errors(tmp_path: Path) -> None:
    made = script(tmp_path, "seq 100 >&2; exit 3")
    with pytest.raises(AgentError) as caught:
        run(made)
    assert caught.value.message.splitlines()[0] == "act.sh ended with exit code 3"
    assert caught.value.message.splitlines()[1:] == [str(number) for number in range(81, 101)]
    with pytest.raises(AgentError, match=r"act\.sh was ended by signal 9"):
        run(script(tmp_path, "kill -9 $$"))


def test_long_output_loses_its_middle(tmp_path: Path) -> None:
    output = run(script(tmp_path, "echo first; head -c 1000000 /dev/zero | tr '\\0' x; echo last"))
    assert output.startswith("first\n")
    assert output.endswith("last\n")
    assert "bytes left out" in output
    assert len(output) < OUTPUT_LIMIT + 100


def test_output_of_any_bytes_is_text(tmp_path: Path) -> None:
    assert run(script(tmp_path, r"printf 'a\xffb'")) == "a�b"


def test_nothing_of_a_script_outlives_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    made = script(tmp_path, 'exec 3<> "$SKILL_DIR/alive"; sleep 1000 & echo done')
    assert run(made) == "done\n"
    assert _read_to_end_without_writer(tmp_path / "alive") == b""


@pytest.mark.parametrize("how", ["timeout", "cancel"])
def test_a_script_is_ended_with_its_children(tmp_path: Path, how: str) -> None:
    os.mkfifo(tmp_path / "alive")
    made = script(tmp_path, 'exec 3> "$SKILL_DIR/alive"; echo up >&3; sleep 1000 & wait', timeout=7)
    clock = ManualClock()

    async def main() -> None:
        call = asyncio.ensure_future(made.run({}, context(clock=clock)))
        alive = await asyncio.to_thread((tmp_path / "alive").open, "rb")
        with alive:
            assert await asyncio.to_thread(alive.readline) == b"up\n"
            if how == "timeout":
                await clock.advance(7)
            else:
                call.cancel()
            with pytest.raises(DeadlineExceeded if how == "timeout" else asyncio.CancelledError):
                await call
            # The pipe ends only when the last process that could write to it has ended.
            assert await asyncio.to_thread(alive.read) == b""

    asyncio.run(main())


@pytest.mark.parametrize(
    "parameters",
    [
        {"a": {"type": "strnig"}},
        {"a": {"typ": "string"}},
        {"a b": {"type": "string"}},
        {"a": {"type": "integer", "default": "x"}},
        {"a": {"pattern": "("}},
        {"a": {"minLength": -1}},
        {"a": {"minimum": 5}},
        {"a": {"type": "integer", "minimum": 0.5}},
        {"a": {"type": "integer", "minimum": 10**26}},
        {"a": {"type": "number", "maximum": float("inf")}},
        {"a": {"type": "number", "default": float("nan")}},
        {"a": {"type": "object", "default": {"x": [float("nan")]}}},
        {"a": {"enum": [1.5, 2]}},
        {"a": {"enum": [1, 2]}},
        {"a": {"type": "integer", "enum": [1, "b"]}},
        {"a": {"type": "integer", "enum": [10**30]}},
        {"a": {"type": "array", "enum": ["x"]}},
        {"a": {"type": "boolean", "enum": [True]}},
        {"a": {"type": "array", "items": {"type": "nosuch"}}},
        {"a": {"type": "array", "items": {"type": "array", "items": {"pattern": "["}}}},
        {"a": {"type": "array", "items": [1]}},
        {"A": {}, "a": {}},
    ],
)
def test_bad_parameters_are_named(tmp_path: Path, parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match="tool act: parameter a"):
        script(tmp_path, "true", parameters=parameters)


@pytest.mark.parametrize("name", ["none.sh", "../act.sh", "act.py"])
def test_only_scripts_of_the_skill_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "skill").mkdir()
    (tmp_path / "act.sh").write_text("true")
    (tmp_path / "skill" / "act.py").write_text("")
    with pytest.raises(InvalidConfig, match=r"no \.sh file of this skill"):
        script_tool(ScriptEntry(script=name, name="act", description="d"), tmp_path / "skill")


def _read_to_end_without_writer(path: Path) -> bytes:
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(reader, 1)
    finally:
        os.close(reader)
