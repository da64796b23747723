"""Memories are kept for one user of one agent, and found by their words."""

# ruff: noqa: D103, RUF001 - a check says in its name what it checks, and in many scripts

from collections.abc import Iterable

from emonk.errors import InvalidConfig
from emonk.records import Memory
from emonk.store.memory_protocol import MEMORY_BYTES, MemoryScope
from emonk.testing.store_conformance.rig import HALF, NOTHING, ODD, Check, Rig, equal, present, refused

ADA = MemoryScope("clerk", "ada")
OTHERS = (MemoryScope("clerk", "bob"), MemoryScope("baker", "ada"), MemoryScope("clerka", "da"))


async def what_is_remembered_is_recalled(rig: Rig) -> None:
    store, start = await rig.open(), int(rig.clock.time() * 1_000_000)
    equal(await store.recall(ADA, "tea"), None, "what was never remembered")
    text = "no milk \0 \U0001f375\n"
    kept = Memory("tea", text, start, start)
    equal(await store.remember(ADA, "tea", text), kept, "what was remembered")
    equal(await (await rig.open()).recall(ADA, "tea"), kept, "the same by another holder")
    await rig.clock.advance(2)
    changed = Memory("tea", "with milk", start, start + 2_000_000)
    equal(await store.remember(ADA, "tea", "with milk"), changed, "what was remembered in its place")
    equal((await store.recall(ADA, "tea"), await store.memories(ADA)), (changed, [changed]), "what is kept")


async def nobody_sees_the_memories_of_others(rig: Rig) -> None:
    store = await rig.open()
    await store.remember(ADA, "tea", "green tea")
    for scope in OTHERS:
        equal(await store.recall(scope, "tea"), None, f"recalled by {scope}")
        equal(await store.search_memory(scope, "tea"), [], f"found by {scope}")
        equal(await store.memories(scope), [], f"listed by {scope}")
        equal(await store.forget(scope, "tea"), False, f"forgotten by {scope}")
        await store.remember(scope, "tea", "black tea")
    equal(present(await store.recall(ADA, "tea"), "memory").text, "green tea", "what is kept")
    equal([kept.text for kept in await store.search_memory(ADA, "tea")], ["green tea"], "what is found")


async def memories_are_found_by_whole_words_without_case_and_accents(rig: Rig) -> None:
    store = await rig.open()
    texts = {
        "de": "Die Straße nach ZÜRICH",
        "fr": "café crème, s'il vous plaît",
        "gr": "Ο Σίσυφος",
        "ru": "Моё окно",
        "cn": "今天天气很好",
        "jp": "東京タワー",
        "th": "ภาษาไทย",
        "hi": "हिन्दी भाषा",
        "num": "order 4711-b, room ４２",
    }
    for key, text in texts.items():
        await store.remember(ADA, key, text)
    queries = {
        "zurich": "de",
        "STRASSE": "de",
        "Cafe\u0301": "fr",
        "plait": "fr",
        "ΣΊΣΥΦΟΣ": "gr",
        "мое": "ru",
        "天气": "cn",
        "京": "jp",
        "ไทย": "th",
        "हिन्दी": "hi",
        "4711": "num",
        "42": "num",
    }
    for query, key in queries.items():
        equal(_keys(await store.search_memory(ADA, query)), [key], f"what {query!r} finds")
    for query in ("zuri", "traße", "caf", "471", "", "  ", "?!", "\0", "-", "हिन्द"):
        equal(await store.search_memory(ADA, query), [], f"what {query!r} finds")


async def most_words_come_first_then_the_latest(rig: Rig) -> None:
    store = await rig.open()
    for key, text in (
        ("one", "tea tea tea tea"),
        ("two", "green tea"),
        ("three", "green tea with milk"),
        ("four", "milk"),
        ("five", "nothing"),
        ("tea-house", "closed"),
    ):
        await store.remember(ADA, key, text)
        await rig.clock.advance(1)
    found = await store.search_memory(ADA, "Tea, tea, GREEN milk!")
    equal(_keys(found), ["three", "two", "tea-house", "four", "one"], "what is found, in its order")
    equal(await store.search_memory(ADA, "Tea, tea, GREEN milk!", limit=2), found[:2], "the first two")
    await store.remember(ADA, "one", "tea")
    equal(_keys(await store.search_memory(ADA, "tea"))[0], "one", "the latest of those with one word")


async def no_character_of_a_query_has_a_meaning(rig: Rig) -> None:
    store = await rig.open()
    await store.remember(ADA, "tea", "green tea")
    await store.remember(ADA, "not", "or near and")
    for query in ('"tea', "tea*", "(tea", "tea)", "tea:", "^tea", "-tea", "tea'--", "tea & | ! <->", "{tea} AND\\"):
        holds_tea = "tea" in _keys(await store.search_memory(ADA, query))
        equal(holds_tea, True, f"whether {query!r} finds it")
    equal(_keys(await store.search_memory(ADA, "NOT")), ["not"], "a word that some queries have a meaning for")
    equal(_keys(await store.search_memory(ADA, "te*")), [], "the start of a word")
    equal(_keys(await store.search_memory(ADA, "tea " + "word " * 5_000 + "x" * 5_000)), ["tea"], "a long query")


async def what_is_forgotten_is_gone(rig: Rig) -> None:
    store = await rig.open()
    equal(await store.forget(ADA, "tea"), False, "what was never remembered")
    await store.remember(ADA, "tea", "green")
    await store.remember(ADA, "cup", "green")
    await store.remember(ADA, "cup", "red")
    equal(_keys(await store.search_memory(ADA, "green")), ["tea"], "what is found by a word that one has lost")
    equal(await store.forget(ADA, "tea"), True, "whether there was something")
    equal(
        (await store.recall(ADA, "tea"), await store.search_memory(ADA, "green tea")), (None, NOTHING), "what is left"
    )
    equal(_keys(await store.memories(ADA)), ["cup"], "keys")


async def memories_are_listed_in_the_order_of_their_keys(rig: Rig) -> None:
    store = await rig.open()
    keys = sorted(("a", "a/1", "a\0", "B", "é", "\uffff", "\U0001f600", *ODD))
    for key in reversed(keys):
        await store.remember(ADA, key, f"text of {key[:20]}")
    equal(_keys(await store.memories(ADA)), keys, "keys in the order of code points")
    paged: list[str] = []
    while page := _keys(await store.memories(ADA, after=paged[-1] if paged else "", limit=3)):
        paged += page
    equal(paged, keys, "the same in pages")
    for key in keys:
        equal(present(await store.recall(ADA, key), "memory").text, f"text of {key[:20]}", "the text")
    for odd in ODD:
        scope = MemoryScope(odd, odd)
        await store.remember(scope, odd, "tea")
        equal(_keys(await store.search_memory(scope, "tea")), [odd], "what an agent and a user of that name find")


async def memory_of_the_largest_size_is_kept_and_found(rig: Rig) -> None:
    store = await rig.open()
    different = " ".join(f"{number:x}" for number in range(0x1000, 0x5000))
    text = "ü" * 5_000 + " " + different[: MEMORY_BYTES - 10_001 - 10] + " end"
    text += "." * (MEMORY_BYTES - len(text.encode()))
    await store.remember(ADA, "large", text)
    equal(present(await store.recall(ADA, "large"), "memory").text, text, "the text")
    for query in ("1234", "END", "U" * 5_000):
        equal(_keys(await store.search_memory(ADA, query)), ["large"], f"what {query[:10]!r} finds")
    await refused(ValueError, lambda: store.remember(ADA, "large", text + "."), "one byte more")
    await refused(ValueError, lambda: store.remember(ADA, "", "text"), "no key")
    await refused(InvalidConfig, lambda: store.remember(ADA, "large", HALF), "half a character")
    await refused(InvalidConfig, lambda: store.recall(ADA, HALF), "half a character")
    equal(present(await store.recall(ADA, "large"), "memory").text, text, "the text that stays")
    equal(await store.search_memory(ADA, HALF), [], "what half a character finds, with words that nothing holds")


def _keys(found: Iterable[Memory]) -> list[str]:
    return [kept.key for kept in found]


CHECKS: tuple[Check, ...] = (
    what_is_remembered_is_recalled,
    nobody_sees_the_memories_of_others,
    memories_are_found_by_whole_words_without_case_and_accents,
    most_words_come_first_then_the_latest,
    no_character_of_a_query_has_a_meaning,
    what_is_forgotten_is_gone,
    memories_are_listed_in_the_order_of_their_keys,
    memory_of_the_largest_size_is_kept_and_found,
)
