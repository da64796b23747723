"""The server as a process: its address, its token, its end."""

import json
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import refused, serving, write_agent


def ask(url: str, token: str, **fields: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{url}/api/chat", json.dumps(fields).encode(), {"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def test_it_prints_an_address_that_lets_one_in_and_ends_on_a_signal(tmp_path: Path) -> None:
    with serving(write_agent(tmp_path)) as (process, line):
        url, _, token = line.partition("/?token=")
        assert url.startswith("http://127.0.0.1:")
        assert len(token) >= 32
        assert "Ada" in ask(url, token, message="greet Ada")["text"]
        process.send_signal(signal.SIGTERM)
        said, complaints = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, "stopped\n")
        assert "integration github is not available in this version" in complaints
        assert "Traceback" not in complaints


def test_the_shipped_agents_are_served_without_any_variable() -> None:
    with serving(EMONK_TOKEN="of-my-own") as (_, line):
        url, token = line, "of-my-own"
        assert token not in line
        with urllib.request.urlopen(f"{url}/health", timeout=30) as response:
            health = json.load(response)
        assert (health["status"], health["agents"]) == ("ok", ["jr-engineer", "marketing"])
        assert ask(url, token, agent="jr-engineer", message="hello")["status"] == "done"


def test_a_turn_cut_off_by_the_end_goes_on_at_the_next_start(tmp_path: Path) -> None:
    agent = write_agent(tmp_path)
    asked: dict[str, Any] = {"message": "wait a while", "session_id": "s1", "message_id": "m1"}
    with serving(agent, EMONK_TOKEN="t") as (process, line):
        url = line.partition("/?")[0]
        request = urllib.request.Request(
            f"{url}/api/chat", json.dumps({**asked, "stream": True}).encode(), {"Authorization": "Bearer t"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            while b"tool_call" not in response.readline():
                pass
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            while "stopping" not in process.stderr.readline():
                pass
            process.send_signal(signal.SIGINT)
            process.wait(30)
        assert process.returncode == 130
    (tmp_path / "skills/chores/wait.sh").write_text("echo waited enough\n")
    with serving(agent, EMONK_TOKEN="t") as (_, line):
        assert ask(line.partition("/?")[0], "t", **asked)["status"] == "done"


BLOCKING = """\
import threading
from emonk import tool

@tool(risk="low", idempotent=True, triggers=("block for ever",))
def block() -> str:
    "Block."
    threading.Event().wait()
    return "unreachable"
"""


def test_a_tool_that_blocks_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    agent = write_agent(tmp_path)
    (tmp_path / "skills/chores/block.py").write_text(BLOCKING)
    with serving(agent, EMONK_TOKEN="t") as (process, url):
        asked = {"message": "block for ever", "stream": True}
        request = urllib.request.Request(f"{url}/api/chat", json.dumps(asked).encode(), {"Authorization": "Bearer t"})
        with urllib.request.urlopen(request, timeout=30) as response:
            while b"tool_call" not in response.readline():
                pass
            process.send_signal(signal.SIGTERM)
            assert b"shutting_down" in response.read()
        said, complaints = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, "stopped\n")
        assert "Traceback" not in complaints


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused("serve", write_agent(tmp_path), "--port", port)
    assert f"127.0.0.1:{port}: the port is in use" in line
    assert "--port" in line


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_the_network_is_not_let_in_without_a_token_of_ones_own(host: str) -> None:
    assert "EMONK_TOKEN" in refused("serve", "--host", host)


def test_a_host_that_is_not_ours_is_one_line(tmp_path: Path) -> None:
    assert "cannot listen on 192.0.2.1" in refused("serve", "--host", "192.0.2.1", "--port", 0, EMONK_TOKEN="t")


def test_two_agents_of_one_name_are_refused(tmp_path: Path) -> None:
    agent = write_agent(tmp_path)
    assert "two agents are named helper" in refused("serve", agent, agent)


def test_further_hosts_are_named_in_the_environment(tmp_path: Path) -> None:
    with serving(write_agent(tmp_path), EMONK_ALLOWED_HOSTS="a.example, b.example") as (_, line):
        url = line.partition("/?")[0]
        for host, expected in (("b.example", 200), ("c.example", 421)):
            request = urllib.request.Request(f"{url}/health", headers={"Host": host})
            assert status_of(request) == expected


def status_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_model_that_cannot_be_used_is_one_line() -> None:
    assert "GEMINI_API_KEY" in refused("serve", "--model", "gemini:gemini-2.0-flash", "--port", 0)
    assert "names no model" in refused("serve", "--model", "gemni:x", "--port", 0)


@pytest.mark.parametrize("token", ["\udcff", "schl\u00fcssel", "a\tb"])
def test_a_token_that_no_header_can_carry_is_one_line(token: str) -> None:
    assert "EMONK_TOKEN holds more than printable ASCII" in refused("serve", "--port", 0, EMONK_TOKEN=token)


def test_a_token_with_any_printable_characters_works(tmp_path: Path) -> None:
    token = "a+b&c#d e%"
    with serving(write_agent(tmp_path), EMONK_TOKEN=token) as (_, url):
        assert ask(url, token, message="greet Ada")["status"] == "done"
