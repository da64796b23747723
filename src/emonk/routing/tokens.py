"""From a prompt to its tokens: bounded in size, without the worked examples in front of the question."""

import re

from emonk.errors import InvalidConfig

LONGEST = 20_000
"""Characters that are looked at: more of a prompt than that says little about how hard it is, and takes time."""

_EXAMPLE = re.compile(r"\n\n(?:Question|Q|Problem|Input|Task):")
_TOKEN = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)*|[^\w\s]|_+")


def question_of(prompt: str) -> str:
    """The part of a prompt that is asked: without few-shot examples in front, at most `LONGEST` characters.

    Of a longer one the beginning and the end stay: instructions stand at either.
    """
    if len(prompt) > LONGEST:
        prompt = prompt[: LONGEST // 2] + prompt[-LONGEST // 2 :]
    if prompt.count("\n\n") < 2:
        return prompt
    starts = [found.start() for found in _EXAMPLE.finditer(prompt)]
    return prompt[starts[-1] + 2 :] if len(starts) > 1 else prompt


def tokens_of(question: str) -> list[str]:
    """Words, numbers (whole, with their separators) and single signs, in lower case."""
    return _TOKEN.findall(question.lower())


def checked(prompt: object, place: str) -> str:
    """The prompt itself when it is text.

    Raises:
        InvalidConfig: it is something else, or blank.
    """
    if not isinstance(prompt, str):
        raise InvalidConfig(f"{place}: the prompt is {type(prompt).__name__}, not text")
    if not prompt.strip():
        raise InvalidConfig(f"{place}: the prompt is empty")
    return prompt
