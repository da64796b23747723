"""What a message asks for, in words that the stand-in for the model understands.

A message is `NAME | STEP; STEP; ...`, a step is `CALL + CALL`, and a call is `TOOL WORD`; a word is used once in a run,
so that the remote's log shows what was done twice. The answer to it is `done NAME`.
"""

import re
from random import Random
from typing import Any

import msgspec

from emonk.models.fields import as_list, as_object, as_text
from emonk.testing.answers import Json, SeenRequest
from emonk.testing.gemini_answers import body, calls, says

ONCE = ("note", "post", "pay")
"""The tools of which no word may be done twice."""

_ERRAND = re.compile(r"(?P<name>\S+) \| (?P<steps>.*)", re.DOTALL)


class Errand(msgspec.Struct, frozen=True):
    """A message: to which session, under which id, and what it asks for."""

    session_id: str
    message_id: str
    steps: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def text(self) -> str:
        steps = (" + ".join(" ".join(call) for call in step) for step in self.steps)
        return f"{self.message_id} | {'; '.join(steps)}"

    @property
    def answer(self) -> str:
        return f"done {self.message_id}"

    @property
    def words(self) -> tuple[str, ...]:
        """Those that may be done once."""
        return tuple(word for step in self.steps for tool, word in step if tool in ONCE)


def errands(random: Random, tools: tuple[str, ...], *, run: str, sessions: int = 3, messages: int = 2) -> list[Errand]:
    """Messages for some sessions, in the order in which they are sent."""
    made: list[Errand] = []
    for number in range(messages):
        for session in range(sessions):
            name = f"{run}.s{session}m{number}"
            steps = [
                tuple((random.choice(tools), f"{name}.{step}.{place}") for place in range(random.choice((1, 1, 2))))
                for step in range(random.randint(1, 3))
            ]
            made.append(Errand(f"{run}.s{session}", name, tuple(steps)))
    return made


def next_answer(request: SeenRequest) -> Json:
    """What a model would say that does the steps of the last message one after the other."""
    asked, done = _last_errand(request.body)
    if asked is None:
        return says("I did not understand.")
    steps = [step.split(" + ") for step in asked["steps"].split("; ")]
    for step in steps:
        if done < len(step):
            return body(*(calls(*_call(each)) for each in step))
        done -= len(step)
    return says(f"done {asked['name']}")


def _call(text: str) -> tuple[str, dict[str, Any]]:
    tool, _, word = text.partition(" ")
    return tool, {"word": word}


def _last_errand(request: Json) -> "tuple[re.Match[str] | None, int]":
    """The last message, and how many results came after it."""
    asked, results = None, 0
    for content in as_list(request.get("contents")):
        for part in as_list(as_object(content).get("parts")):
            fields = as_object(part)
            if "functionResponse" in fields:
                results += 1
            elif as_object(content).get("role") == "user" and (found := _ERRAND.fullmatch(as_text(fields.get("text")))):
                asked, results = found, 0
    return asked, results
