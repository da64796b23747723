"""Which characters make one emoji: the sequences that Unicode recommends for general interchange (RGI, Emoji 17.0).

Written as rules, from emoji-sequences.txt and emoji-zwj-sequences.txt of Unicode Technical Standard #51. Only
sequences of several characters are here: a lone emoji counts as any other character of its range. A sequence newer
than these rules is counted by its parts, so it is never taken for shorter than it is.
"""

import re
from functools import cache

_JOINER = "\u200d"
_TEXT_OR_EMOJI = "\ufe0f?"
_TONE = "[🏻-🏿]"

_TAKES_TONE = (
    "☝⛹✊-✍🎅🏂-🏄🏇🏊-🏌👂👃👆-👐👦-👩👫-👸👼💁-💃💅-💇💏💑💪🕴🕵🕺🖐🖕🖖🙅-🙇🙋-🙏🚣🚴-🚶🛀🛌🤌🤏🤘-🤟🤦🤰-🤹🤼-🤾"
    "🥷🦵🦶🦸🦹🦻🧍-🧏🧑-🧝🫃-🫅🫰-🫺"
)
_TEXT_BY_DEFAULT = (
    "©®‼⁉™\u2139↔-↙↩↪⌨⏏⏭-⏯⏱⏲⏸-⏺Ⓜ▪▫▶◀◻◼☀-☄☎☑☘☝☠☢☣☦☪☮☯☸-☺♀♂♟♠♣♥♦♨♻♾⚒⚔-⚗⚙⚛⚜⚠⚧⚰⚱⛈⛏⛑⛓⛩⛰⛱⛴⛷-⛹✂✈✉✌✍✏✒✔✖✝✡"
    "✳✴❄❇❣❤➡⤴⤵⬅-⬇〰〽㊗㊙🅰🅱🅾🅿🈂🈷🌡🌤-🌬🌶🍽🎖🎗🎙-🎛🎞🎟🏋-🏎🏔-🏟🏳🏵🏷🐿👁📽🕉🕊🕯🕰🕳-🕹🖇🖊-🖍🖐🖥🖨🖱🖲🖼🗂-🗄🗑-🗓"
    "🗜-🗞🗡🗣🗨🗯🗳🗺🛋🛍-🛏🛠-🛥🛩🛰🛳"
)
_HAS_GENDER = "⛹🏃🏄🏊🏋🏌👮👯👰👱👳👷💁💂💆💇🕵🙅🙆🙇🙋🙍🙎🚣🚴🚵🚶🤦🤵🤷🤸🤹🤼🤽🤾🦸🦹🧍🧎🧏🧔🧖-🧟"
_TURNS_RIGHT = "🏃🚶🧎"
_OCCUPATIONS = "⚕⚖✈🌾🍳🍼🎓🎤🎨🏫🏭💻💼🔧🔬🚀🚒🦯🦰-🦳🦼🦽"
_AIDS = "🦯🦼🦽"
_PAIRS = "⛓💥 ❤🔥 ❤🩹 🍄🟫 🍋🟩 🏳⚧ 🏳🌈 🏴☠ 🐈⬛ 🐕🦺 🐦⬛ 🐦🔥 🐻❄ 👁🗨 😮💨 😵💫 😶🌫 🙂↔ 🙂↕ 🧑🎄 🧑🩰 🫱🫲"
_REGIONS = (
    "A:CDEFGILMOQRSTUWXZ B:ABDEFGHIJLMNOQRSTVWYZ C:ACDFGHIKLMNOPQRUVWXYZ D:EGJKMOZ E:ACEGHRSTU F:IJKMOR "
    "G:ABDEFGHILMNPQRSTUWY H:KMNRTU I:CDELMNOQRST J:EMOP K:EGHIMNPRWYZ L:ABCIKRSTUVY M:ACDEFGHKLMNOPQRSTUVWXYZ "
    "N:ACEFGILOPRUZ O:M P:AEFGHKLMNRSTWY Q:A R:EOSUW S:ABCDEGHIJKLMNORSTVXYZ T:ACDFGHJKLMNORTVWZ U:AGMNSYZ V:ACEGINU "
    "W:FS X:K Y:ET Z:AMW"
)
_SUBDIVISIONS = ("gbeng", "gbsct", "gbwls")


@cache
def sequences() -> re.Pattern[str]:
    """Matches one emoji that is made of several characters, the longest that begins at a place."""
    return re.compile("|".join((*_joined(), *_flags(), *_simple())))


def _joined() -> list[str]:
    toned, faced, joined = f"{_TONE}?", _TEXT_OR_EMOJI, _JOINER
    person = f"[🧑👨👩]{toned}"
    right = f"{joined}➡{faced}"
    pairs = [f"{one}{toned}{faced}{joined}{two}{toned}{faced}" for one, two in _PAIRS.split()]
    return [
        f"{person}{joined}❤{faced}{joined}(?:💋{joined})?{person}",
        f"{person}{joined}[🤝🐰🫯]{joined}{person}",
        f"{person}{joined}(?:[{_AIDS}]{right}|[{_OCCUPATIONS}]{faced})",
        f"(?:👨{joined}[👨👩]|👩{joined}👩|[👨👩]){joined}(?:👧{joined}[👦👧]|👦{joined}👦|[👦👧])",
        f"🧑{joined}(?:🧑{joined})?🧒(?:{joined}🧒)?",
        f"[{_TURNS_RIGHT}]{toned}(?:{joined}[♀♂]{faced})?{right}",
        f"[{_HAS_GENDER}](?:{_TONE}|{faced}){joined}[♀♂]{faced}",
        *pairs,
    ]


def _flags() -> list[str]:
    def indicator(letter: str) -> str:
        return chr(ord(letter) - ord("A") + 0x1F1E6)

    countries = [
        f"{indicator(first)}[{''.join(map(indicator, rest))}]"
        for first, rest in (region.split(":") for region in _REGIONS.split())
    ]
    subdivisions = ["🏴" + "".join(chr(0xE0000 + ord(letter)) for letter in code) for code in _SUBDIVISIONS]
    return [*countries, *(f"{flag}\U000e007f" for flag in subdivisions)]


def _simple() -> list[str]:
    return [f"[0-9#*]{_TEXT_OR_EMOJI}\u20e3", f"[{_TAKES_TONE}]{_TONE}", f"[{_TEXT_BY_DEFAULT}]\ufe0f"]
