"""`emonk chat`: talk to an agent in the terminal, or ask it one thing."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from emonk.cli.attempt import attempt
from emonk.cli.cassettes import CassetteOption, RecordOption, insert
from emonk.cli.tenants import DEFAULT_AGENT, load_agent
from emonk.cli.terminal import note, say
from emonk.cli.trouble import FAILED, INTERRUPTED, UsageError, log_to_file, show_alerts

if TYPE_CHECKING:
    import asyncio

    from emonk.agent import Agent
    from emonk.records import Reply

AGENT_HELP = "jr-engineer, marketing, or the path of an agent.yaml or of its folder."


def chat(
    command: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="[AGENT]", help=AGENT_HELP, show_default=True)] = DEFAULT_AGENT,
    message: Annotated[str | None, typer.Option("-m", "--message", help="Ask this one thing and end.")] = None,
    session: Annotated[str | None, typer.Option(help="Go on with this session.")] = None,
    model: Annotated[str | None, typer.Option(help="For example gemini:gemini-3.5-flash, or offline.")] = None,
    *,
    cassette: CassetteOption = None,
    record: RecordOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="With -m: print the whole reply as JSON.")] = False,
    later: Annotated[
        bool, typer.Option("--later", help="With -m: do not wait, keep it for when a language model can be reached.")
    ] = False,
) -> None:
    """Talk to an agent. What comes in on a pipe is one message: echo TEXT | emonk chat.

    A reply that is piped on stays the Markdown that it is. With --later the session's name is printed: emonk serve
    answers what is kept, and so does emonk chat with that --session.
    """
    log_to_file()
    show_alerts()
    insert(command, cassette, record=record)
    chosen = load_agent(agent, model=model)
    if message is None and not sys.stdin.isatty():
        message = _piped()
    for option, given in (("--json", as_json), ("--later", later)):
        if message is None and given:
            raise UsageError(f"{option} is for one message", "add -m TEXT, or pipe it in")
    if message is not None and not message.strip():
        raise UsageError("the message is empty", "say something after -m, or pipe it in")
    if session is not None and not (session.strip() and session.isprintable()):
        raise UsageError("the session has no usable name")
    with _started(chosen) as (runner, running):
        if message is None:
            from emonk.cli.dialogue import Dialogue  # noqa: PLC0415  one message needs no line editor

            Dialogue(runner, running, session, named=agent).hold()
        elif later:
            raise typer.Exit(_keep(runner, running, message, session, as_json=as_json))
        else:
            raise typer.Exit(_ask(runner, running, message, session, as_json=as_json))


@contextmanager
def _started(agent: "Agent") -> "Generator[tuple[asyncio.Runner, Agent]]":
    import asyncio  # noqa: PLC0415 - help is shown without it

    with asyncio.Runner() as runner:
        try:
            runner.run(agent.start())
        finally:
            # Said even when the start fails: what is missing may be why.
            for line in agent.notices:
                note(line)
        try:
            yield runner, agent
        finally:
            runner.run(agent.aclose())


def _piped() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UsageError("the message on standard input is not text", "it must be UTF-8") from error


def _keep(runner: "asyncio.Runner", agent: "Agent", message: str, session: str | None, *, as_json: bool) -> int:
    from emonk.gateway.wire import encode, queued_json  # noqa: PLC0415
    from emonk.ids import uuid7  # noqa: PLC0415

    session_id, message_id = session or uuid7(), uuid7()
    if not runner.run(agent.enqueue(message, session_id=session_id, message_id=message_id)):
        note("not kept: too many messages of this session wait already")
        return FAILED
    say(encode(queued_json(agent.name, session_id, message_id)).decode() if as_json else session_id)
    return 0


def _ask(runner: "asyncio.Runner", agent: "Agent", message: str, session: str | None, *, as_json: bool) -> int:
    reply = attempt(runner, _watched(agent, message, session))
    if reply is None:
        note("cancelled")
        return INTERRUPTED
    if as_json:
        from emonk.gateway.wire import encode, reply_json  # noqa: PLC0415

        say(encode(reply_json(reply)).decode())
    elif reply.text:
        from emonk.cli.markdown import rendered  # noqa: PLC0415

        say(rendered(reply.text, sys.stdout))
    if reply.degraded:
        note("--later keeps a message until a language model can be reached again")
    if reply.status != "done":
        note(f"{reply.status}: {reply.reason}" if reply.reason else reply.status)
        return FAILED
    return 0


async def _watched(agent: "Agent", message: str, session: str | None) -> "Reply":
    """The reply; on a terminal, what happens on the way goes to standard error."""
    if not sys.stderr.isatty():
        return await agent.process_message(message, session_id=session)
    from emonk.cli.progress import watch  # noqa: PLC0415

    return await watch(agent.stream(message, session_id=session), sys.stderr, texts=False)
