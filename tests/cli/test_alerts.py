"""What the operator of a command is told at once."""

import json
import os
import urllib.request
from pathlib import Path

import pytest

from emonk.testing.answers import Plain, SeenRequest
from emonk.testing.gemini_answers import fails
from tests.cli.outage import Outage, stand_in, write_agent
from tests.cli.running import emonk, serving

SAID = "[critical] helper: gemini:gemini-3.5-flash could not answer: "


class Refusing(Outage):
    """Gemini, when the key is wrong."""

    def __call__(self, _request: SeenRequest) -> Plain:
        return fails(403, "Permission denied.")


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return write_agent(tmp_path)


def test_serve_tells_its_operator_of_an_alert_once(agent: Path) -> None:
    with stand_in(Refusing()) as environment, serving(agent, EMONK_TOKEN="t", **environment) as (process, url):
        for _ in range(2):
            asked = json.dumps({"message": "hi"}).encode()
            request = urllib.request.Request(f"{url}/api/chat", asked, {"Authorization": "Bearer t"})
            with urllib.request.urlopen(request, timeout=30) as response:
                assert json.load(response)["reason"] == "missing_credential"
        process.terminate()
        _, told = process.communicate(timeout=30)
    alerts = [line for line in told.splitlines() if line.startswith("[critical]")]
    assert len(alerts) == 1
    assert alerts[0].startswith(SAID)
    assert SAID in (Path(os.environ["EMONK_DATA_DIR"]) / "emonk.log").read_text()


def test_chat_tells_it_on_standard_error(agent: Path) -> None:
    with stand_in(Refusing()) as environment:
        ended = emonk("chat", agent, "-m", "hi", **environment)
    assert ended.returncode == 1
    assert ended.stderr.startswith(SAID)
    assert "[critical]" not in ended.stdout


def test_what_is_no_alert_is_not_told(agent: Path) -> None:
    with stand_in(Outage()) as environment:
        ended = emonk("chat", agent, "-m", "hi", **environment)
    assert "could not answer" not in ended.stderr
