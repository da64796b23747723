"""Damage to JSON as it happens on the way from a server, and what has to hold whatever was damaged."""

import copy
import json
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from emonk.errors import EmonkError
from emonk.messages import Message, tool_result, user
from emonk.models.fields import as_list, as_object
from emonk.models.protocol import Model, ModelResponse
from tests.models.asking import ASKING, streamed

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**70, 1.5, 1e308, "", "x", "12", "\u2028", [], {}, [[]], [None], {"": None}, "é" * 300
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    keys: list[Any] = [*as_object(value), *range(len(as_list(value)))]
    inner = [place for key in keys for place in places(value[key], (*path, key))]
    return [*((*path, key) for key in keys), *inner]


def alter(random_source: random.Random, answer: Any) -> Any:
    """An answer with one to three fields dropped, emptied or of the wrong type."""
    answer = copy.deepcopy(answer)
    for _ in range(random_source.randint(1, 3)):
        found = places(answer)
        if not found:
            break
        *way, last = random_source.choice(found)
        holder = answer
        for key in way:
            holder = holder[key]
        if random_source.random() < 0.3:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(random_source.choice(STRANGE))
    return answer


def cut(random_source: random.Random, whole: bytes) -> bytes:
    """Perhaps cut off, or with a changed byte."""
    raw = bytearray(whole)
    fate = random_source.random()
    if fate < 0.1:
        del raw[random_source.randrange(len(raw)) :]
    elif fate < 0.2 and raw:
        raw[random_source.randrange(len(raw))] = random_source.randrange(256)
    return bytes(raw)


def damage(random_source: random.Random, answer: Any) -> bytes:
    """An altered answer, perhaps cut."""
    return cut(random_source, json.dumps(alter(random_source, answer)).encode())


def readable(times: int, read: Callable[[], ModelResponse], sane: Callable[[ModelResponse], None]) -> int:
    """How many damaged answers could be read, each of them as something sane; the others are our errors."""
    count = 0
    for _ in range(times):
        try:
            response = read()
        except EmonkError:
            continue
        sane(response)
        count += 1
    return count


async def ask_both_ways(model: Model, times: int, sane: Callable[[ModelResponse], None]) -> None:
    """Ask so many times for a whole answer and for a stream; what is read is sane, what is not is our error."""
    for _ in range(times):
        with suppress(EmonkError):
            sane(await model.generate(ASKING))
        with suppress(EmonkError):
            sane((await streamed(model))[1])


def check_failures(
    read_failure: Callable[[int, Mapping[str, str], bytes], Exception], answer: Any, status: int, *, times: int
) -> None:
    """A damaged body of an error is one of our errors, which says something."""
    random_source = random.Random(status)
    for _ in range(times):
        failure = read_failure(status, {}, damage(random_source, answer))
        assert isinstance(failure, EmonkError)
        assert str(failure)


def history_after(response: ModelResponse) -> list[Message]:
    """The conversation that goes on after an answer, whose counts and calls are checked to be usable."""
    usage = response.usage
    assert min(usage.output_tokens, usage.cached_input_tokens, usage.cache_write_tokens) >= 0
    assert usage.input_tokens >= usage.cached_input_tokens + usage.cache_write_tokens
    assert usage.output_tokens >= usage.reasoning_tokens >= 0
    ids = [call.id for call in response.tool_calls]
    assert all(call.name and call.id for call in response.tool_calls)
    assert len(set(ids)) == len(ids)
    return [user("hi"), response.message, *(tool_result(call, "done") for call in response.tool_calls), user("go on")]
