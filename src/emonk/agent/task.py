"""Tasks: one thing to do, with what was said before it, done or raised."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from emonk import errors
from emonk.errors import InfraError, InvalidConfig
from emonk.events import TaskHints
from emonk.ids import uuid7
from emonk.messages import AssistantMessage, ToolMessage, UserMessage
from emonk.records import Reply
from emonk.routing.task import complexity_of, read_hints


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What `Agent.execute` does.

    Attributes:
        input: what to do.
        context: what was said before, told to the model as text.
        escalated: ask the lead at once.
        message_id: names the task: the same one again goes on with what was not finished.
        hints: how hard it is, as far as it says.
    """

    input: str
    context: tuple[str, ...] = ()
    escalated: bool = False
    message_id: str
    session_id: str
    user_id: str = "local"
    hints: TaskHints | None = None

    @property
    def text(self) -> str:
        return "\n\n".join([*self.context, self.input])


def read_task(task: Mapping[str, Any], tools: Sequence[str] = ()) -> Task:
    """The task that a mapping describes, for an agent with tools of these names.

    Raises:
        InvalidConfig: it has no `input`, something in it is of another type, or it requires a tool that is not there.
    """
    found: Any = task.get("input") if isinstance(task, Mapping) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if not isinstance(found, str) or not found.strip():
        raise InvalidConfig("the task has no input", hint='a task is a mapping such as {"input": "what to do"}')
    model = task.get("model")
    if model not in (None, "lead", "worker"):  # no set, which would have to hash it
        raise InvalidConfig(f"the task names the model {model!r}", hint="lead or worker")
    context: Any = task.get("context") or ()
    if isinstance(context, str) or not isinstance(context, Sequence):
        raise InvalidConfig(f"the context of the task is {context!r}", hint="a list of messages")
    hints = read_hints({"complexity": "simple", **task} if model == "worker" else task)
    if hints.required_tool and hints.required_tool not in tools:
        known = ", ".join(tools) or "there are none"
        raise InvalidConfig(f"the task requires the tool {hints.required_tool!r}", hint=f"the tools are: {known}")
    message_id = _name_in(task, "message_id") or uuid7()
    return Task(
        input=found,
        context=tuple(_line(said) for said in cast("Sequence[object]", context)),
        escalated=model == "lead",
        message_id=message_id,
        session_id=_name_in(task, "session_id") or message_id,
        user_id=_name_in(task, "user_id") or "local",
        hints=None if hints == TaskHints() else hints,
    )


def hinted(complexity: str | None) -> TaskHints | None:
    """What is known of a message of which somebody says how hard it is.

    Raises:
        InvalidConfig: there is no such complexity.
    """
    return None if complexity is None else TaskHints(complexity=complexity_of(complexity).value)


def done(reply: Reply, *, wait: float) -> Reply:
    """The reply of a task that was done.

    Args:
        reply: what the turn came to.
        wait: seconds until a model can be called.

    Raises:
        EmonkError: it was not done: an error of the class that ended the turn; a final `InfraError` where none did, as
            at a limit or a cancellation, which is no reason to try again.
    """
    if reply.status == "done":
        return reply
    kind = getattr(errors, reply.error, None) if reply.error else InfraError
    code = reply.reason or reply.status
    if kind is None or issubclass(kind, InfraError):
        raise (kind or InfraError)(reply.text, code=code, retry_after=wait or None, final=not reply.error)
    raise kind(reply.text, code=code)


def _name_in(task: Mapping[str, Any], key: str) -> str | None:
    name: object = task.get(key)
    if name is None or isinstance(name, str):
        return name
    raise InvalidConfig(f"the {key} of the task is {name!r}", hint="a text")


def _line(said: Any) -> str:
    match said:
        case str():
            return said
        case UserMessage() | AssistantMessage():
            who = "user" if isinstance(said, UserMessage) else "assistant"
            return f"[{who}] {said.text}"
        case ToolMessage(results=results):
            return "\n".join(f"[result of {result.name}] {result.content}" for result in results)
        case {"content": str(content), **rest}:
            return f"[{rest.get('role', 'user')}] {content}"
        case _:
            raise InvalidConfig(f"{said!r} is no message", hint="messages of emonk.messages, or role and content")
