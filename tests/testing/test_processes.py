"""The stand-ins as somebody starts them by hand."""

import json
import os
import subprocess
import sys
import urllib.request

import pytest


@pytest.mark.parametrize("name", ["gemini", "openai", "anthropic"])
def test_a_port_that_cannot_be_is_one_line(name: str) -> None:
    command = [sys.executable, "-m", f"emonk.testing.{name}", "--port", "99999"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "cannot listen on port 99999" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("api", ["chat/completions", "responses"])
def test_openai_answers_by_hand(api: str) -> None:
    command = [sys.executable, "-m", "emonk.testing.openai", "--text", "By hand."]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        try:
            assert process.stdout
            url = json.loads(process.stdout.readline())["url"]
            asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "input": "hi"}
            del asked["messages" if api == "responses" else "input"]
            request = urllib.request.Request(
                f"{url}/{api}", json.dumps(asked).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert b"By hand." in answer.read()
        finally:
            process.terminate()
