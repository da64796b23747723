"""A recorded session run again, against another model or with other instructions, with no effect on the outside.

Its messages are sent again turn by turn. Tools are not run: the recording answers their calls, and a call that it does
not hold gets an error. All that is written lies in a store of its own, which is gone at the end.
"""

import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from emonk.agent.agent import Agent
from emonk.agent.recording import RecordedTool, Recording
from emonk.errors import InvalidConfig
from emonk.events import Logged, Summarised, UserSaid
from emonk.messages import UserMessage
from emonk.models import Model
from emonk.records import Session, SessionKey
from emonk.runtime.comparison import TurnComparison, compare
from emonk.runtime.recorded import recorded_turns
from emonk.store.connect import connect
from emonk.store.protocol import Store
from emonk.store.usage_protocol import UsageStore

NO_TEXT = "[no text]"


async def rerun(
    agent: Agent,
    session: Session,
    events: Sequence[Logged],
    *,
    model: "str | Model | None" = None,
    instructions: str | None = None,
    first: int = 1,
    run_readonly: bool = False,
    billed_in: UsageStore | None = None,
) -> AsyncGenerator[TurnComparison]:
    """Run the turns of a session again, and compare each with what was recorded as soon as it is over.

    Args:
        agent: whose tools, models and instructions are used; it need not be started, and its store is not written.
        session: the session that was recorded.
        events: its whole log.
        model: in place of the agent's models.
        instructions: in place of the agent's.
        first: the revision from which on turns are run again; what was said before is their context, as it was.
        run_readonly: run tools of low risk that are idempotent where the recording has no answer.
        billed_in: has a row, for the purpose `rerun`, of each call of a provider; else they are gone at the end.

    Raises:
        InvalidConfig: there is no message at `first` or after it, or the agent cannot be used.
        ConfigError, InfraError: the model cannot be opened.
    """
    start = next((n for n, one in enumerate(events) if one.revision >= first and isinstance(one.event, UserSaid)), None)
    if start is None:
        raise InvalidConfig(
            f"session {session.session_id} has no message at revision {first} or after it", hint="see what it holds"
        )
    turns = recorded_turns(events[start:])
    recording = Recording([turn.calls for turn in turns])
    tools = [RecordedTool(tool, recording, run_readonly=run_readonly) for tool in agent.tools]
    async with AsyncExitStack() as opened:
        store = await _scratch(opened)
        prompt = await agent.prompt(store) if instructions is None else instructions
        variant = agent.variant(
            model=model, instructions=prompt, tools=tools, store=store, billed_in=billed_in, purpose="rerun"
        )
        key = SessionKey(variant.name, session.session_id)
        if start:
            await store.restore(_so_far(session, key, events[:start]), events[:start])
        await opened.enter_async_context(variant)
        for number, turn in enumerate(turns):
            recording.begin(number)
            known = await store.session(key)
            text = UserMessage(turn.parts).text
            await variant.process_message(
                text if text.strip() else NO_TEXT,
                session_id=session.session_id,
                user_id=turn.user_id,
                message_id=turn.message_id,
            )
            (new,) = recorded_turns(await store.read(key, after=known.revision if known else 0))
            yield compare(turn, new)


async def _scratch(opened: AsyncExitStack) -> Store:
    folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="emonk-rerun-"))
    store = await connect(f"sqlite:///{Path(folder) / 'rerun.db'}")
    opened.push_async_callback(store.aclose)
    return store


def _so_far(session: Session, key: SessionKey, events: Sequence[Logged]) -> Session:
    """The session as it was after these events."""
    compressed = any(isinstance(one.event, Summarised) for one in events)
    return msgspec.structs.replace(
        session,
        agent=key.agent,
        revision=events[-1].revision,
        last_active=events[-1].at,
        message_count=sum(isinstance(one.event, UserSaid) for one in events),
        token_count=0,
        context_compressed=compressed,
    )
