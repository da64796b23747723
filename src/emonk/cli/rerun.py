"""`emonk rerun`: a recorded session against another model or other instructions, without effects."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from emonk.cli.passing import PassingLine
from emonk.cli.session_place import AgentOption, JsonOption, Place, SessionArgument, ask, place_of, with_session
from emonk.cli.tenants import SHIPPED, agent_file, load_agent
from emonk.cli.terminal import note, one_line, say
from emonk.cli.trouble import FAILED, INTERRUPTED, UsageError, log_to_file

if TYPE_CHECKING:
    from emonk.agent import Agent
    from emonk.events import Logged
    from emonk.records import Session
    from emonk.runtime.comparison import TurnComparison
    from emonk.store.protocol import Store

NARROWEST = 60
WIDEST = 160


class _Wish(NamedTuple):
    """What is to be another than it was, and from where on; what it costs is billed in `place`."""

    place: Place
    model: str | None
    instructions: str | None
    first: int
    run_readonly: bool


def rerun(
    session_id: SessionArgument,
    *,
    model: Annotated[
        str | None, typer.Option("--model", help="For example gemini:gemini-3.5-flash, or offline.")
    ] = None,
    first: Annotated[
        int,
        typer.Option("--from", metavar="REVISION", help="Turns from here on; what was before is their context.", min=1),
    ] = 1,
    instructions: Annotated[
        Path | None, typer.Option("--instructions", metavar="FILE", help="A system prompt in place of the agent's.")
    ] = None,
    definition: Annotated[
        str | None,
        typer.Option("--agent-file", metavar="FILE", help="Another agent.yaml: its instructions, models and tools."),
    ] = None,
    agent: AgentOption = None,
    run_readonly: Annotated[
        bool,
        typer.Option(
            "--run-readonly", help="Run tools of low risk that may run twice, where the recording has no answer."
        ),
    ] = False,
    fail_on_difference: Annotated[
        bool, typer.Option("--fail-on-difference", help="Exit code 1 when an answer or a call differs.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Run a recorded session again, and show side by side what differs.

    The messages are sent again turn by turn. No tool is run: the recording answers the same calls, and a call that it
    does not hold gets the error not_recorded. Where sessions lie nothing is written but what the calls of models cost.
    """
    log_to_file()

    async def query(store: "Store", info: "Session") -> "tuple[Session, list[Logged]]":
        return info, await store.read(info.key)

    info, events = with_session(session_id, agent, query)
    wish = _Wish(place_of(agent), model, _read(instructions), first, run_readonly)
    turns: list[TurnComparison] = []

    def over(turn: "TurnComparison") -> None:
        turns.append(turn)
        if not as_json:
            _show(len(turns), turn)

    interrupted = _run(_defined(definition or agent, info), info, events, wish, over)
    if as_json:
        say(_json(info, wish, turns))
    elif turns:
        from emonk.cli.differences import total_lines  # noqa: PLC0415  help is shown without it

        for line in total_lines(turns, sys.stdout):
            say(line)
    return INTERRUPTED if interrupted else _verdict(turns) if fail_on_difference else 0


def _run(
    agent: "Agent",
    info: "Session",
    events: "list[Logged]",
    wish: _Wish,
    over: "Callable[[TurnComparison], None]",
) -> bool:
    """Whether it was interrupted."""
    from contextlib import aclosing  # noqa: PLC0415 - as above

    from emonk.agent.rerun import rerun as run_again  # noqa: PLC0415 - as above
    from emonk.events import UserSaid  # noqa: PLC0415 - as above

    count = sum(isinstance(logged.event, UserSaid) and logged.revision >= wish.first for logged in events)
    numbers, line = iter(range(1, count + 1)), PassingLine(silent=0)

    def begins() -> None:
        if number := next(numbers, None):
            line.show(f"turn {number} of {count} runs again ...")

    async def main(store: "Store") -> None:
        turns = run_again(
            agent,
            info,
            events,
            model=wish.model,
            instructions=wish.instructions,
            first=wish.first,
            run_readonly=wish.run_readonly,
            billed_in=store,
        )
        begins()
        async with aclosing(turns):
            async for turn in turns:
                line.clear()
                over(turn)
                begins()

    try:
        ask(wish.place, main)
    except KeyboardInterrupt:
        line.clear()
        note("interrupted")
        return True
    finally:
        line.clear()
    return False


def _defined(name: str | None, info: "Session") -> "Agent":
    """The agent to run with: the one that was named, or else the shipped one of the session."""
    if name is not None and (name in SHIPPED or agent_file(name) is not None):
        return load_agent(name)
    if info.agent in SHIPPED:
        return load_agent(info.agent)
    raise UsageError(
        f"where the agent {one_line(info.agent, 80)} is defined is not known", "add --agent-file with its agent.yaml"
    )


def _read(instructions: Path | None) -> str | None:
    try:
        return None if instructions is None else instructions.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {instructions}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{instructions} is not text", "it must be UTF-8") from error


def _show(number: int, turn: "TurnComparison") -> None:
    from emonk.cli.differences import turn_lines  # noqa: PLC0415 - as above

    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    for line in turn_lines(number, turn, sys.stdout, width):
        say(line)


def _json(info: "Session", wish: _Wish, turns: "list[TurnComparison]") -> str:
    from emonk.cli.differences import total_json, turn_json  # noqa: PLC0415 - as above
    from emonk.gateway.wire import encode  # noqa: PLC0415 - as above

    about = {"session_id": info.session_id, "agent": info.agent, "from": wish.first, "model": wish.model}
    return encode({**about, "turns": [turn_json(turn) for turn in turns], "total": total_json(turns)}).decode()


def _verdict(turns: "list[TurnComparison]") -> int:
    from emonk.cli.differences import differs  # noqa: PLC0415 - as above

    return FAILED if any(differs(turn) for turn in turns) else 0
