"""A long session over HTTP: every request fits, and every turn reads only what follows the last summary."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from emonk import Agent
from emonk.events import Summarised
from emonk.models.tokens import family_of, tokens_of_text
from emonk.records import Owner, SessionKey
from emonk.runtime.compression.section import ContextSection
from emonk.store.connect import connect
from emonk.store.protocol import Accepted, Claimed
from emonk.store.sqlite.store import SqliteStore
from emonk.testing.answers import Json, SeenRequest
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import body

TURNS = 300
BUDGET = 4000
FAMILY = family_of("gemini:gemini-2.0-flash")


class WatchedStore(SqliteStore):
    """Counts the events that turns are opened with."""

    opened: list[int]

    async def accept(self, item: Any, *, owner: Owner | None = None) -> Accepted:
        accepted = await super().accept(item, owner=owner)
        self._count(accepted.claimed)
        return accepted

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        claimed = await super().claim(session, owner)
        self._count(claimed)
        return claimed

    def _count(self, claimed: Claimed | None) -> None:
        if claimed is not None:
            self.opened.append(len(claimed.events))


def size_of(request: SeenRequest) -> int:
    """What the request takes, by its JSON: too much rather than too little."""
    return round(tokens_of_text(json.dumps(request.body["contents"]), FAMILY))


def answer(request: SeenRequest) -> Json:
    summary = "summarise" in json.dumps(request.body.get("systemInstruction", "")).lower()
    text = (
        "They count." if summary else f"I have seen {len(request.body['contents'])} messages, and noted them all. " * 3
    )
    used = size_of(request)
    usage = {"promptTokenCount": used, "candidatesTokenCount": 40, "totalTokenCount": used + 40}
    return body({"text": text}, usage=usage)


def test_three_hundred_turns_stay_within_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        store = await connect(f"sqlite:///{tmp_path / 'a.db'}")
        store.__class__ = WatchedStore
        assert isinstance(store, WatchedStore)
        store.opened = []
        async with GeminiServer(answer) as server:
            monkeypatch.setenv("GEMINI_API_KEY", "test")
            monkeypatch.setenv("EMONK_GEMINI_BASE_URL", server.base_url)
            context = ContextSection(budget=BUDGET)
            async with Agent("counter", "gemini:gemini-2.0-flash", store=store, context=context) as agent:
                for number in range(TURNS):
                    text = f"Number {number}. " + "Keep count of everything that I say here, please. " * 6
                    reply = await agent.process_message(text, session_id="s")
                    assert reply.status == "done", reply
                log = await store.read(SessionKey("counter", "s"))
                info = await store.session(SessionKey("counter", "s"))
            assert server.refused == []
        made = [one.event for one in log if isinstance(one.event, Summarised)]
        assert len(server.requests) == TURNS + len(made)
        assert 3 < len(made) < TURNS // 8
        assert all(not event.reason for event in made)
        assert max(map(size_of, server.requests)) <= BUDGET * 1.05
        assert len(log) > 2 * TURNS
        assert max(store.opened) < 120, "a turn opens with what follows the cutoff"
        assert info is not None
        assert info.context_compressed
        assert abs(info.token_count - size_of(server.requests[-1])) < 200
        await store.aclose()

    asyncio.run(main())
