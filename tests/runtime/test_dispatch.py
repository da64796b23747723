"""Tools that return too much, and models that call too much."""

import asyncio
from pathlib import Path

from emonk import tool
from emonk.messages import ToolMessage
from emonk.runtime.dispatch import CALLS_AT_ONCE, RESULT_LIMIT
from emonk.testing.model import call
from tests.agent.weather import weather_agent


def test_a_huge_result_is_cut_in_the_middle_and_says_so(tmp_path: Path) -> None:
    @tool(risk="low", idempotent=True)
    def dump() -> str:
        """Return too much."""
        return "a" * RESULT_LIMIT + "b" * RESULT_LIMIT

    async def main() -> None:
        agent, model = weather_agent([call("dump"), "much"], f"sqlite:///{tmp_path / 'a.db'}", tools=[dump])
        async with agent:
            await agent.process_message("go")
        shown = model.requests[-1].messages[-1]
        assert isinstance(shown, ToolMessage)
        content = shown.results[0].content
        assert content.startswith("aaa")
        assert content.endswith("bbb")
        assert "characters left out here; read them with read_result(handle=" in content
        assert len(content) < RESULT_LIMIT + 100

    asyncio.run(main())


def test_only_so_many_calls_of_a_step_run_at_once_and_all_of_them_in_the_end(tmp_path: Path) -> None:
    running, most = 0, 0

    @tool(risk="low", idempotent=True)
    async def count() -> str:
        """Count those that run."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return "counted"

    async def main() -> None:
        script = [[call("count") for _ in range(100)], "done"]
        agent, model = weather_agent(script, f"sqlite:///{tmp_path / 'a.db'}", tools=[count])
        async with agent:
            assert (await agent.process_message("go")).status == "done"
        shown = model.requests[-1].messages[-1]
        assert isinstance(shown, ToolMessage)
        assert (len(shown.results), most) == (100, CALLS_AT_ONCE)

    asyncio.run(main())
