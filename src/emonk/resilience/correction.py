"""A task as each attempt gets it: the caller's, and what the attempts before have taught."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from emonk import messages
from emonk.errors import AgentError, InvalidConfig
from emonk.ids import uuid7

ESCALATE_AFTER = 2
"""Errors of the model's own making after which the task names the lead model."""


class CorrectedTask:
    """Keeps what was learnt, and never touches the caller's task, its list of messages, or a message that is a dict."""

    def __init__(self, task: Mapping[str, Any], *, named: bool = False) -> None:
        """Begin with the caller's task; `named` gives it a `message_id`, the same in all attempts, if it has none.

        Raises:
            InvalidConfig: it is no mapping with `input`, or its `context` is no list.
        """
        self._context = _context_of(task)
        self._task = task
        self._names: dict[str, Any] = {"message_id": uuid7()} if named else {}
        self._learnt: list[object] = []

    def copy(self) -> dict[str, Any]:
        """What the next attempt gets, to keep and to change."""
        context = [_copy(message) for message in (*self._context, *self._learnt)]
        task: dict[str, Any] = {**self._names, **self._task, "context": context}
        if len(self._learnt) >= ESCALATE_AFTER and task.get("model") in (None, "worker"):
            task["model"] = "lead"
        return task

    def learn(self, error: AgentError) -> None:
        """Add what went wrong and what would be right, in the form in which the other messages are."""
        lines = (f"The last attempt failed: {error.message}", error.hint, "Correct this and try again.")
        text = "\n".join(line for line in lines if line)
        match self._context[-1:]:
            case [str()]:
                self._learnt.append(text)
            case [Mapping()]:
                self._learnt.append({"role": "user", "content": text})
            case _:
                self._learnt.append(messages.user(text))


def _copy(message: object) -> object:
    return dict(cast("Mapping[str, Any]", message)) if isinstance(message, Mapping) else message


def _context_of(task: object) -> tuple[object, ...]:
    if not isinstance(task, Mapping):
        raise InvalidConfig(f"task is of type {type(task).__name__}", hint="give a mapping with `input`")
    given = cast("Mapping[str, Any]", task)
    if "input" not in given:
        raise InvalidConfig("task has no `input`", hint="`input` is what the agent is to do")
    context: object = given.get("context") or ()
    if isinstance(context, str | bytes) or not isinstance(context, Sequence):
        raise InvalidConfig(f"the context of task is of type {type(context).__name__}", hint="give a list of messages")
    return tuple(cast("Sequence[object]", context))
