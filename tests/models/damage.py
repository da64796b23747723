"""Damage to JSON as it happens on the way from a server: fields dropped, emptied, of another type, text cut off."""

import copy
import json
import random
from typing import Any

from emonk.models.fields import as_list, as_object

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**70, 1.5, 1e308, "", "x", "12", "\u2028", [], {}, [[]], [None], {"": None}, "é" * 300
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    keys: list[Any] = [*as_object(value), *range(len(as_list(value)))]
    inner = [place for key in keys for place in places(value[key], (*path, key))]
    return [*((*path, key) for key in keys), *inner]


def damage(random_source: random.Random, answer: Any) -> bytes:
    """An answer with one to three fields dropped, emptied or of the wrong type, perhaps cut or with a flipped byte."""
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
    raw = bytearray(json.dumps(answer).encode())
    fate = random_source.random()
    if fate < 0.1:
        del raw[random_source.randrange(len(raw)) :]
    elif fate < 0.2 and raw:
        raw[random_source.randrange(len(raw))] = random_source.randrange(256)
    return bytes(raw)
