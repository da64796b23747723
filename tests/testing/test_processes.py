"""The stand-ins as somebody starts them by hand."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import pytest

from emonk.testing import anthropic, gemini_process, openai

HI: list[Any] = [{"role": "user", "content": "hi"}]
ASKED: list[Any] = [{"role": "user", "parts": [{"text": "hi"}]}]
CALLED: list[Any] = [
    {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
    {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
]
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "gemini": ("gemini", "v1beta/models/m:generateContent", {"contents": ASKED}),
    "chat": ("openai", "chat/completions", {"model": "m", "messages": HI}),
    "responses": ("openai", "responses", {"model": "m", "input": HI}),
    "anthropic": ("anthropic", "v1/messages", {"model": "m", "max_tokens": 10, "messages": HI}),
}
"""For each API: the stand-in, the path, and a request that the provider takes."""


@contextmanager
def running(name: str, *arguments: str) -> Generator[tuple[str, IO[str]]]:
    """Where a stand-in listens, and what it writes to standard error."""
    command = [sys.executable, "-m", f"emonk.testing.{name}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stderr
            yield json.loads(process.stdout.readline())["url"], process.stderr
        finally:
            process.terminate()


def post(url: str, path: str, asked: Any) -> str:
    headers = {"Content-Type": "application/json", "x-goog-api-key": "k", "x-api-key": "k", "anthropic-version": "1"}
    request = urllib.request.Request(f"{url}/{path}", json.dumps(asked).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


@pytest.mark.parametrize("name", ["gemini", "openai", "anthropic"])
def test_a_port_that_cannot_be_is_one_line(name: str) -> None:
    command = [sys.executable, "-m", f"emonk.testing.{name}", "--port", "99999"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "cannot listen on port 99999" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("api", REQUESTS)
def test_it_fails_as_it_is_told_and_answers_then(api: str) -> None:
    name, path, asked = REQUESTS[api]
    told = ["--status", "503", "--failures", "1", "--retry-after", "3", "--text", "back again"]
    with running(name, "--port", "0", *told) as (url, written):
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(url, path, asked)
        with refused.value as error:
            assert (error.code, error.headers["Retry-After"]) == (503, "3")
        assert "back again" in post(url, path, asked)
        assert [written.readline() for _ in range(2)] == ["request 1: m, 503\n", "request 2: m, 200\n"]


def test_gemini_alone_plays_the_two_steps() -> None:
    _, path, asked = REQUESTS["gemini"]
    with running("gemini", "--port", "0") as (url, _):
        first = json.loads(post(url, path, asked))
        assert first["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] == "get_weather"
        second = json.loads(post(url, path, {"contents": [*ASKED, *CALLED]}))
        assert "sunny" in second["candidates"][0]["content"]["parts"][0]["text"]


@pytest.mark.parametrize(
    "main", [gemini_process.main, openai.main, anthropic.main], ids=["gemini", "openai", "anthropic"]
)
@pytest.mark.parametrize(
    "arguments",
    [
        ["--status", "200"],
        ["--status", "x"],
        ["--delay", "-1"],
        ["--delay", "nan"],
        ["--failures", "1"],
        ["--port", "x"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_played_is_refused(
    main: Callable[[Sequence[str]], None], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert "error: " in capsys.readouterr().err
