"""`make test-live`, run against the stand-ins in place of the real providers."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from emonk.testing import anthropic_answers, gemini_answers, openai_answers
from emonk.testing.anthropic import AnthropicServer
from emonk.testing.gemini import GeminiServer
from emonk.testing.openai import OpenAIServer

CITY = {"city": "Paris"}
TOOL = "get_weather"


def gemini(seen: Any) -> Any:
    if "toolConfig" in seen.body:
        return gemini_answers.body(gemini_answers.calls(TOOL, CITY))
    return gemini_answers.says("Hello.")


def anthropic(seen: Any) -> Any:
    if seen.body.get("tool_choice", {}).get("type") == "tool":
        return anthropic_answers.message(anthropic_answers.calls(TOOL, CITY), stop_reason="tool_use")
    return anthropic_answers.says("Hello.")


def openai(seen: Any) -> Any:
    forced = isinstance(seen.body.get("tool_choice"), dict)
    if "input" in seen.body:
        return openai_answers.response(
            openai_answers.item_call(TOOL, CITY) if forced else openai_answers.item("Hello.")
        )
    if forced:
        return openai_answers.message(None, openai_answers.call(TOOL, CITY))
    return openai_answers.message("Hello.")


def live(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project / "scripts" / "live.py")]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=240
    )


def test_without_keys_everything_is_skipped_and_said(project: Path) -> None:
    ended = live(project)
    assert (ended.returncode, ended.stderr) == (0, "")
    *skipped, last = ended.stdout.splitlines()
    assert len(skipped) == 5
    assert all(": skipped: no " in line for line in skipped)
    assert last == "nothing was asked: no provider has a key in the environment"


def test_every_check_passes_at_the_stand_ins_and_what_has_no_key_is_skipped(project: Path) -> None:
    async def main() -> subprocess.CompletedProcess[str]:
        async with GeminiServer(gemini) as one, OpenAIServer(openai) as two, AnthropicServer(anthropic) as three:
            return await asyncio.to_thread(
                live,
                project,
                GEMINI_API_KEY="a-key",
                EMONK_GEMINI_BASE_URL=one.base_url,
                OPENAI_API_KEY="a-key",
                OPENAI_BASE_URL=two.base_url,
                ANTHROPIC_API_KEY="a-key",
                ANTHROPIC_BASE_URL=three.base_url,
            )

    ended = asyncio.run(main())
    lines = ended.stdout.splitlines()
    assert (ended.returncode, [line for line in lines if "FAILED" in line]) == (0, []), ended.stdout + ended.stderr
    assert sum(": ok, " in line for line in lines) == 4 * 5
    assert [line for line in lines if "skipped" in line] == [
        "vertex:gemini-3.5-flash-lite: skipped: no GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_CLOUD_PROJECT"
    ]


def test_a_provider_that_fails_is_told_and_the_exit_code_is_1(project: Path) -> None:
    async def main() -> subprocess.CompletedProcess[str]:
        async with GeminiServer(lambda _: gemini_answers.fails(403, "no access")) as server:
            return await asyncio.to_thread(live, project, GEMINI_API_KEY="a-key", EMONK_GEMINI_BASE_URL=server.base_url)

    ended = asyncio.run(main())
    assert ended.returncode == 1
    assert "gemini:gemini-3.5-flash-lite: generate: FAILED: Gemini (gemini-3.5-flash-lite): no access" in ended.stdout
    assert "a-key" not in ended.stdout
