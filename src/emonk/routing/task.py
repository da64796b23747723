"""Tasks as callers write them: a mapping that says what to do and how hard it may be."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeGuard, cast, get_args

import msgspec

from emonk.errors import InvalidConfig
from emonk.events import TaskHints
from emonk.messages import Message, UserMessage, assistant, user
from emonk.models.tokens import UNKNOWN, tokens_of_message
from emonk.routing.complexity import TaskComplexity

_SHAPE = 'a task is a mapping such as {"input": "what to do"}'


class RoutedTask(msgspec.Struct, frozen=True):
    """A task that was read.

    Attributes:
        hints: what it says of itself.
        text: what to do; empty where it does not say.
        messages: what was said before.
        instructions: the system prompt.
    """

    hints: TaskHints
    text: str = ""
    messages: tuple[Message, ...] = ()
    instructions: str = ""

    @property
    def tokens(self) -> int:
        """How long its conversation is, about, without instructions and tools, which others have, too."""
        said = [*self.messages, UserMessage(user(self.text).parts)] if self.text else self.messages
        return sum(tokens_of_message(message, UNKNOWN) for message in said)


def read_task(task: object) -> RoutedTask:
    """The task that a mapping describes, or a text that says what to do.

    Args:
        task: `input`, and what else `TaskHints` has; `context`, messages of `emonk.messages`, mappings with `role` and
            `content`, or texts; `instructions`. What it holds beside these does not count, and None is as if left out.

    Raises:
        InvalidConfig: it is no mapping, or something in it cannot be used.
    """
    if isinstance(task, str):
        return RoutedTask(TaskHints(), task)
    if not isinstance(task, Mapping):
        raise InvalidConfig(f"the task is of type {type(task).__name__}", hint=_SHAPE)
    given = cast("Mapping[str, Any]", task)
    system, messages = _conversation(given.get("context"))
    return RoutedTask(
        read_hints(given),
        _text(given, "input"),
        messages,
        "\n\n".join(filter(None, (_text(given, "instructions"), *system))),
    )


def read_hints(task: Mapping[str, Any]) -> TaskHints:
    """What a task says of itself.

    Raises:
        InvalidConfig: a value that cannot be used; nothing is taken for something else.
    """
    return TaskHints(
        complexity=_given(task, "complexity", _complexity, ""),
        type=_text(task, "type"),
        context_length=_given(task, "context_length", _length, None),
        requires_reasoning=_given(task, "requires_reasoning", _flag, False),
        steps=_given(task, "steps", _steps, 0),
        required_tool=_text(task, "required_tool"),
    )


def complexity_of(given: object) -> TaskComplexity:
    """A `TaskComplexity`, also where its name was given, in whatever case.

    Raises:
        InvalidConfig: there is none of that name.
    """
    try:
        return TaskComplexity(given.strip().lower() if isinstance(given, str) else "")
    except ValueError:
        hint = " or ".join(TaskComplexity)
        raise InvalidConfig(f"the complexity of a task is {given!r:.80}", hint=hint) from None


def _given(task: Mapping[str, Any], key: str, read: Callable[[object], Any], missing: Any) -> Any:
    value = task.get(key)
    return missing if value is None else read(value)


def _complexity(given: object) -> str:
    return complexity_of(given).value


def _length(given: object) -> float:
    if not _is_length(given):
        raise InvalidConfig(f"the context_length of the task is {given!r:.80}", hint="tokens, a number from 0 on")
    return min(given, 1e18)


def _is_length(given: object) -> TypeGuard[int | float]:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return False
    return given >= 0 and (isinstance(given, int) or isfinite(given))


def _flag(given: object) -> bool:
    if not isinstance(given, bool):
        raise InvalidConfig(f"the requires_reasoning of the task is {given!r:.80}", hint="true or false")
    return given


def _steps(given: object) -> int:
    if isinstance(given, Sequence | set | frozenset) and not isinstance(given, str | bytes | bytearray):
        return len(cast("Sequence[object]", given))
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise InvalidConfig(f"the steps of the task are {given!r:.80}", hint="a list of them, or how many there are")
    return min(given, 1 << 53)


def _text(task: Mapping[str, Any], key: str) -> str:
    given = task.get(key)
    if given is None:
        return ""
    if not isinstance(given, str):
        raise InvalidConfig(f"the {key} of the task is {given!r:.80}", hint="a text")
    return given


def _conversation(context: object) -> tuple[list[str], tuple[Message, ...]]:
    """The texts of the system, and all other messages."""
    if context is None:
        return [], ()
    if isinstance(context, str | Mapping) or not isinstance(context, Iterable):
        raise InvalidConfig(f"the context of the task is {context!r:.80}", hint="a list of messages")
    system: list[str] = []
    messages: list[Message] = []
    for said in cast("Iterable[object]", context):
        match said:
            case {"role": "system", "content": str(content)}:
                system.append(content)
            case _:
                messages.append(_message(said))
    return system, tuple(messages)


def _message(said: object) -> Message:
    match said:
        case str():
            return user(said)
        case {"role": "assistant" | "model", "content": str(content)}:
            return assistant(content)
        case {"content": str(content)}:
            return user(content)
        case _ if isinstance(said, get_args(Message)):
            return cast("Message", said)
        case _:
            hint = "messages of emonk.messages, or role and content"
            raise InvalidConfig(f"{said!r:.80} is no message", hint=hint)
