"""Names of models that providers have retired, or will soon, and what they recommend instead.

Read in November 2026 from the providers' own pages:
https://ai.google.dev/gemini-api/docs/deprecations, https://docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions,
https://developers.openai.com/api/docs/deprecations, https://platform.claude.com/docs/en/about-claude/model-deprecations.
A name that is not here is not judged.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta

import msgspec

CURRENT: Mapping[str, str] = {
    "gemini": "gemini-3.5-flash",
    "vertex": "gemini-3.5-flash",
    "openai": "gpt-6.1-terra",
    "openai-responses": "gpt-6.1-terra",
    "anthropic": "claude-sonnet-5-5",
}
"""A model that each provider sells now, to begin with."""

NOTICE = timedelta(days=90)
"""How long before its end a model is told of."""


class Retirement(msgspec.Struct, frozen=True):
    """When a model ends or ended, and which one its provider recommends instead."""

    day: date
    successor: str


def _table(text: str) -> dict[str, Retirement]:
    """Lines of a day, a successor, and the names that it succeeds."""
    table: dict[str, Retirement] = {}
    for line in text.split("\n"):
        day, successor, *names = line.split()
        table.update(dict.fromkeys(names, Retirement(date.fromisoformat(day), successor)))
    return table


_GOOGLE = _table("""\
2025-12-09 gemini-3.1-flash-lite gemini-2.0-flash-lite-preview gemini-2.0-flash-lite-preview-02-05
2026-06-01 gemini-3.5-flash gemini-2.0-flash
2026-06-01 gemini-3.1-flash-lite gemini-2.0-flash-lite
2025-11-18 gemini-3.5-flash gemini-2.5-flash-preview-05-20
2026-02-17 gemini-3.5-flash gemini-2.5-flash-preview-09-25 gemini-2.5-flash-preview-09-2025
2026-03-31 gemini-3.1-flash-lite gemini-2.5-flash-lite-preview-09-2025
2025-12-02 gemini-3.1-pro-preview gemini-2.5-pro-preview-03-25 gemini-2.5-pro-preview-05-06 gemini-2.5-pro-preview-06-05
2026-03-09 gemini-3.1-pro-preview gemini-3-pro-preview
2026-05-25 gemini-3.1-flash-lite gemini-3.1-flash-lite-preview""")

_GEMINI = {
    **_GOOGLE,
    **_table("""\
2025-09-29 gemini-2.5-pro gemini-1.5-pro
2025-09-29 gemini-2.5-flash gemini-1.5-flash
2025-09-29 gemini-2.5-flash-lite gemini-1.5-flash-8b
2026-12-01 gemini-3.8-flash gemini-2.5-pro
2026-12-01 gemini-3.5-flash-lite gemini-2.5-flash"""),
}

_VERTEX = {
    **_GOOGLE,
    **_table("""\
2025-04-09 gemini-2.5-pro gemini-1.0-pro gemini-1.0-pro-vision
2025-09-24 gemini-2.5-pro gemini-1.5-pro
2025-09-24 gemini-2.5-flash gemini-1.5-flash"""),
}

_OPENAI = _table("""\
2025-07-14 gpt-4.1 gpt-4.5-preview
2025-07-28 o3 o1-preview
2025-10-27 o4-mini o1-mini
2026-02-17 gpt-5.1-chat-latest chatgpt-4o-latest
2026-07-23 gpt-5.4-mini gpt-4o-search-preview gpt-4o-mini-search-preview gpt-5.1-codex-mini
2026-07-23 gpt-5.5 gpt-5-chat-latest gpt-5.1-chat-latest gpt-5-codex gpt-5.1-codex gpt-5.1-codex-max gpt-5.2-codex
2026-07-23 gpt-5.5-pro o3-deep-research o4-mini-deep-research
2026-08-10 gpt-5.5 gpt-5.2-chat-latest gpt-5.3-chat-latest
2026-09-28 gpt-5.4-mini gpt-3.5-turbo-1106 gpt-3.5-turbo-instruct
2026-10-23 gpt-5.6-terra gpt-3.5-turbo gpt-3.5-turbo-0125 o4-mini
2026-10-23 gpt-5.6-sol gpt-4 gpt-4-0613 gpt-4-1106-preview gpt-4-turbo gpt-4o-2024-05-13 o1 o1-pro o3-mini
2026-10-23 gpt-5.6-luna gpt-4.1-nano
2026-12-11 gpt-6.1-sol gpt-5
2026-12-11 gpt-6.1-terra gpt-5-mini
2026-12-11 gpt-5.6-luna gpt-5-nano
2026-12-11 gpt-5.6-sol gpt-5-pro o3 o3-pro
2027-01-14 gpt-6-luna gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini""")

_ANTHROPIC = _table("""\
2025-07-21 claude-opus-4-8 claude-2.0 claude-2.1
2025-07-21 claude-sonnet-4-6 claude-3-sonnet
2025-10-28 claude-sonnet-4-6 claude-3-5-sonnet
2026-01-05 claude-opus-4-8 claude-3-opus
2026-02-19 claude-sonnet-4-6 claude-3-7-sonnet
2026-02-19 claude-haiku-4-5 claude-3-5-haiku
2026-04-20 claude-haiku-4-5 claude-3-haiku
2026-06-15 claude-opus-4-8 claude-opus-4 claude-opus-4-0
2026-06-15 claude-sonnet-4-6 claude-sonnet-4 claude-sonnet-4-0
2026-08-05 claude-opus-4-8 claude-opus-4-1
2026-11-30 claude-sonnet-5-5 claude-sonnet-4-5""")

_TABLES: Mapping[str, Mapping[str, Retirement]] = {
    "gemini": _GEMINI,
    "vertex": _VERTEX,
    "openai": _OPENAI,
    "openai-responses": _OPENAI,
    "anthropic": _ANTHROPIC,
}

_VERSION = re.compile(r"(-20\d\d-\d\d-\d\d|[-@]20\d{6}|-00\d|-latest)\Z")
"""What a name ends in that says which version of the model it is."""


def retirement(spec: str) -> Retirement | None:
    """When the model named by `spec` ends or ended, with a successor that has no such day; None when nobody said so."""
    provider, _, name = spec.partition(":")
    table = _TABLES.get(provider, {})
    found = _look_up(table, name)
    while found is not None and (after := _look_up(table, found.successor)) is not None:
        found = Retirement(found.day, after.successor)
    return found


def notice(spec: str, today: date) -> str:
    """One line on a model that ended, or ends within `NOTICE`; empty for all others."""
    found = retirement(spec)
    if found is None or found.day > today + NOTICE:
        return ""
    provider = spec.partition(":")[0]
    said = "was" if found.day <= today else "will be"
    return f"{spec} {said} retired on {found.day}: its successor is {provider}:{found.successor}"


def has_ended(priced_as: str, name: str, today: date) -> bool:
    """Whether a model that `genai-prices` knows by that provider and name, or a reseller by `VENDOR/NAME`, ended."""
    vendor, slash, bare = name.partition("/")
    seller, name = (vendor, bare) if slash else (priced_as, name)
    found = _look_up(_TABLES.get("gemini" if seller == "google" else seller, {}), name)
    return found is not None and found.day <= today


def _look_up(table: Mapping[str, Retirement], name: str) -> Retirement | None:
    name = name.lower().removeprefix("models/")
    return table.get(name) or table.get(_VERSION.sub("", name))
