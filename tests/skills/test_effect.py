"""Tools and scripts that declare themselves effects."""

import asyncio
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emonk import Context, Effect, Happened, NotHappened, Skill, tool
from emonk.errors import AgentError, InvalidConfig
from emonk.records import SessionKey
from emonk.skills.effect import Finding
from emonk.skills.frontmatter import ScriptEntry
from emonk.skills.function import Tool
from emonk.skills.script import script_tool
from tests.skills.calls import context

EFFECT = Effect(
    key="k1",
    session=SessionKey("test", "s1"),
    user_id="u1",
    trace_id="t1",
    tool="act",
    arguments={"what": "hello"},
    occasion="o",
    created_at=1,
    updated_at=1,
)
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")


def acting() -> Tool[..., Any]:
    @tool(risk="low", effect=True)
    async def act(what: str) -> str:
        """Act."""
        return what

    return act


def found(called: Tool[..., Any]) -> Finding:
    assert called.effect is not None
    return asyncio.run(called.effect.reconcile(EFFECT, context()))


@pytest.mark.parametrize(("effect", "idempotent"), [(True, True), ("x", True), ("", False), (7, False)])
def test_what_cannot_be_an_effect_is_refused(effect: Any, idempotent: bool) -> None:
    with pytest.raises(InvalidConfig, match=r"tool act.*effect"):

        @tool(effect=effect, idempotent=idempotent)
        async def act() -> None:  # pyright: ignore[reportUnusedFunction]
            """Act."""


def test_only_an_effect_can_be_reconciled() -> None:
    @tool(risk="low")
    async def look() -> None:
        """Look."""

    async def find(effect: Effect, ctx: Context) -> Finding:
        return None

    with pytest.raises(InvalidConfig, match="tool look is no effect"):
        look.reconcile(find)


async def one(effect: Effect) -> Finding:
    return None


async def three(effect: Effect, ctx: Context, more: int) -> Finding:
    return None


async def named(effect: Effect, *, ctx: Context) -> Finding:
    return None


@pytest.mark.parametrize(
    ("find", "said"),
    [
        (one, "takes 1 argument"),
        (lambda: None, "takes 0 arguments"),
        (three, "takes 3 arguments"),
        (named, r"has \(effect: .*, \*, ctx: .*\)"),
        (None, "is None"),
    ],
)
def test_a_function_that_cannot_be_asked_is_refused_when_it_is_registered(find: Any, said: str) -> None:
    act = acting()
    with pytest.raises(InvalidConfig, match=f"the reconcile function of act {said}") as refused:
        act.reconcile(find)
    assert refused.value.hint == "write async def find(effect: Effect, ctx: Context)"
    assert act.effect is not None
    assert not act.effect.reconciles


class Outside:
    """What can be asked has many forms."""

    async def find(self, effect: Effect, ctx: Context, *, tries: int = 1) -> Finding:
        return NotHappened()

    async def __call__(self, *given: Any) -> Finding:
        return NotHappened()


@pytest.mark.parametrize("find", [Outside().find, Outside(), partial(three, more=1)])
def test_whatever_takes_an_effect_and_a_context_is_registered(find: Any) -> None:
    act = acting()
    act.reconcile(find)
    assert found(act) in (NotHappened(), None)


def test_a_tool_in_a_skill_has_the_function_that_was_registered_later() -> None:
    act = acting()
    skill = Skill(name="s", description="S.", tools=[act], risk="medium")

    @act.reconcile
    async def find(effect: Effect, ctx: Context) -> Finding:
        return Happened(f"{effect.key} of {ctx.user_id}")

    (adopted,) = skill.tools
    assert adopted.effect is act.effect
    assert found(act) == Happened("k1 of u1")
    assert asyncio.run(find(EFFECT, context())) == Happened("k1 of u1")


def test_a_plain_function_looks_in_a_thread() -> None:
    act = acting()

    @act.reconcile
    def find(effect: Effect, ctx: Context) -> Finding:
        assert threading.current_thread() is not threading.main_thread()
        return NotHappened("nothing there")

    assert found(act) == NotHappened("nothing there")
    assert callable(find)


def test_whatever_else_is_returned_is_no_finding() -> None:
    act = acting()

    @act.reconcile
    async def find(effect: Effect, ctx: Context) -> Any:
        return True

    with pytest.raises(TypeError, match="act returned bool"):
        found(act)
    assert callable(find)


def script(folder: Path, act: str, look: str = "") -> Tool[..., Any]:
    (folder / "act.sh").write_text(act)
    (folder / "look.sh").write_text(look)
    entry = {
        "script": "act.sh",
        "name": "act",
        "description": "Acts.",
        "parameters": {"what": {"type": "string"}},
        "effect": "me",
        "reconcile": "look.sh" if look else "",
    }
    return script_tool(msgspec.convert(entry, ScriptEntry), folder)


@needs_bash
def test_a_script_sees_the_key_of_its_effect(tmp_path: Path) -> None:
    made = script(tmp_path, 'echo "$EFFECT_KEY $ARG_WHAT"')
    keyed = msgspec.structs.replace(context(), effect_key="k7")
    assert asyncio.run(made.run({"what": "hello"}, keyed)) == "k7 hello\n"
    assert asyncio.run(made.run({"what": "hello"}, context())) == " hello\n"


@needs_bash
@pytest.mark.parametrize(("code", "said"), [(64, "script_refused"), (1, "script_failed"), (65, "script_failed")])
def test_the_exit_code_says_whether_a_script_refused(tmp_path: Path, code: int, said: str) -> None:
    with pytest.raises(AgentError) as failed:
        asyncio.run(script(tmp_path, f"exit {code}").run({"what": "x"}, context()))
    assert failed.value.code == said


@needs_bash
@pytest.mark.parametrize(
    ("look", "finding"),
    [
        ('echo "$EFFECT_KEY $ARG_WHAT"', Happened("k1 hello\n")),
        ('cat | grep -o \'"tool":"act"\'', Happened('"tool":"act"\n')),
        ("echo none; exit 1", NotHappened("none")),
        ("exit 2", None),
        ("kill -9 $$", None),
    ],
)
def test_a_script_looks_for_what_another_did(tmp_path: Path, look: str, finding: Finding) -> None:
    assert found(script(tmp_path, "exit 1", look)) == finding


@needs_bash
def test_a_script_that_looks_must_be_there_and_belong_to_an_effect(tmp_path: Path) -> None:
    entry = ScriptEntry(script="act.sh", name="act", description="Acts.", reconcile="look.sh")
    (tmp_path / "act.sh").write_text("")
    with pytest.raises(InvalidConfig, match=r"'look.sh' is no .sh file"):
        script_tool(entry, tmp_path)
    (tmp_path / "look.sh").write_text("")
    with pytest.raises(InvalidConfig, match="tool act is no effect"):
        script_tool(entry, tmp_path)
