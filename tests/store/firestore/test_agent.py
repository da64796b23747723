"""An agent whose sessions are in Firestore."""

import asyncio
import subprocess
import sys
from pathlib import Path

from emonk.testing.model import call
from emonk.turns import Pump
from tests.agent.weather import kinds, log_of, weather_agent


def test_conversation_goes_on_with_the_next_agent(firestore: str) -> None:
    async def main() -> None:
        agent, _ = weather_agent([call("get_weather", city="Paris"), "Sunny."], firestore)
        async with agent:
            reply = await agent.process_message("Weather in Paris?", session_id="s", message_id="m1")
            assert (reply.status, reply.text) == ("done", "Sunny.")
        agent, model = weather_agent(["Also sunny."], firestore)
        async with agent:
            assert (await agent.process_message("Again", session_id="s", message_id="m1")).text == "Sunny."
            assert (await agent.process_message("And Rome?", session_id="s")).text == "Also sunny."
            assert kinds(await log_of(agent, "s")).count("user_message") == 2
        assert "Paris" in str(model.requests[0].messages)

    asyncio.run(main())


def test_two_agents_share_a_session_and_answer_each_message_once(firestore: str) -> None:
    async def main() -> None:
        one, _ = weather_agent(["sunny"] * 6, firestore)
        other, _ = weather_agent(["sunny"] * 6, f"{firestore}/(default)/default")
        async with one, other, Pump([one]), Pump([other]):
            sent = [(one, other)[n % 2].process_message(f"m{n}", session_id="s", message_id=f"m{n}") for n in range(6)]
            replies = await asyncio.gather(*sent)
            assert [reply.message_id for reply in replies] == [f"m{n}" for n in range(6)]
            assert {reply.status for reply in replies} == {"done"}
            log = kinds(await log_of(one, "s"))
            assert log == ["user_message", "model_message", "turn_finished"] * 6

    asyncio.run(main())


def test_command_line_keeps_lists_and_shows_a_conversation(firestore: str, tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(f"agent:\n  name: clerk\n  llm: {{model: offline}}\n  store: {firestore}\n")
    code = "from emonk.cli import main; main()"

    def emonk(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    emonk("chat", str(file), "-m", "hello there", "--session", "s1")
    assert "hello there" in emonk("sessions", "list", "--agent", str(file))
    assert "hello there" in emonk("sessions", "show", "s1", "--agent", str(file))
