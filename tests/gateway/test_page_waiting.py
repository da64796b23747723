"""Messages on the chat page that wait for a language model."""

import asyncio
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from emonk import tool
from emonk.agent import Agent
from emonk.errors import Unavailable
from emonk.messages import UserMessage
from emonk.models.protocol import ModelRequest
from tests.gateway.browsing import Background, sign_in
from tests.gateway.serving import agent_of

DOWN = Unavailable("too busy")
WAITS = "Kept: the answer appears here when a language model is back."


@tool(risk="low", idempotent=True, triggers=("review the last commit",))
async def review() -> str:
    """Review commits."""
    return "reviewed"


class Outage:
    """A model that cannot be reached until the test says so; it then repeats what it is told."""

    def __init__(self) -> None:
        self.over = False

    def __call__(self, request: ModelRequest) -> str:
        if not self.over:
            raise DOWN
        said = request.messages[-1]
        assert isinstance(said, UserMessage)
        return f"Answer to {said.text}"


@pytest.fixture
def outage() -> Outage:
    return Outage()


@pytest.fixture
def agent(tmp_path: Path, outage: Outage) -> Agent:
    return agent_of(tmp_path, outage)


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")


def keep(page: Page, text: str) -> None:
    """Say something that no model can answer, and have it answered later."""
    say(page, text)
    page.get_by_role("button", name="Answer when one is back").click()
    expect(page.get_by_text(WAITS)).to_have_count(1)


def resume(page: Page, background: Background, agent: Agent) -> None:
    """What the pump of `emonk serve` does from time to time."""
    session = page.evaluate("location.hash").partition("/")[2]
    asyncio.run_coroutine_threadsafe(agent.resume(session), background.loop).result()


def begin(page: Page, url: str) -> None:
    page.clock.install()
    sign_in(page, url)


def later(page: Page) -> None:
    page.clock.run_for(4_000)


def test_the_answer_appears_while_the_page_stays_open(
    page: Page, background: Background, agent: Agent, outage: Outage
) -> None:
    with background.serving(agent) as url:
        begin(page, url)
        keep(page, "How is Paris?")
        expect(page.locator(".said")).to_have_text(["How is Paris?", "How is Paris?"])
        later(page)
        expect(page.get_by_text(WAITS)).to_have_count(1)
        outage.over = True
        resume(page, background, agent)
        later(page)
        expect(page.locator(".answer").last).to_have_text("Answer to How is Paris?")
        expect(page.get_by_text(WAITS)).to_have_count(0)
        expect(page.locator(".said")).to_have_count(2)
        page.reload()
        expect(page.locator(".answer").last).to_have_text("Answer to How is Paris?")
        expect(page.locator(".said")).to_have_count(2)


@pytest.mark.parametrize("tried", [False, True], ids=["in the inbox", "in the log"])
def test_after_a_reload_all_that_waits_is_shown_and_the_answers_appear(
    page: Page, background: Background, agent: Agent, outage: Outage, tried: bool
) -> None:
    with background.serving(agent) as url:
        begin(page, url)
        keep(page, "first")
        if tried:
            with pytest.raises(Exception, match="waits for a language model"):
                resume(page, background, agent)
        say(page, "second")
        expect(page.get_by_text(WAITS)).to_have_count(2)
        page.reload()
        for _ in range(2):
            expect(page.locator(".said")).to_have_text(["first", "first", "second"])
            expect(page.get_by_text(WAITS)).to_have_count(2)
            expect(page.get_by_role("button", name="Send")).to_be_visible()
            expect(page.get_by_role("button", name="Try again")).to_have_count(0)
            later(page)
        outage.over = True
        resume(page, background, agent)
        later(page)
        expect(page.locator(".said")).to_have_text(["first", "first", "second"])
        expect(page.locator(".answer").nth(1)).to_have_text("Answer to first")
        expect(page.locator(".answer").nth(2)).to_have_text("Answer to second")
        page.reload()
        expect(page.locator(".answer").nth(2)).to_have_text("Answer to second")
        assert page.evaluate("sessionStorage.length") == 0


def test_another_message_brings_the_answers_when_a_model_is_back(
    page: Page, background: Background, agent: Agent, outage: Outage
) -> None:
    with background.serving(agent) as url:
        begin(page, url)
        keep(page, "first")
        outage.over = True
        say(page, "second")
        expect(page.locator(".answer").last).to_have_text("Answer to second")
        expect(page.locator(".answer").nth(1)).to_have_text("Answer to first")
        expect(page.locator(".said")).to_have_text(["first", "first", "second"])


def test_a_reply_without_a_model_is_text_and_its_outcome_a_line(
    page: Page, background: Background, tmp_path: Path, outage: Outage
) -> None:
    with background.serving(agent_of(tmp_path, outage, tools=[review])) as url:
        begin(page, url)
        say(page, "How is Paris?")
        for _ in range(2):
            text = page.locator(".answer .text")
            expect(text).to_contain_text("could not answer: too busy")
            expect(text.locator("li strong")).to_have_text("review")
            expect(page.locator(".outcome").first).to_have_text("This did not work out: unavailable")
            page.reload()


def test_what_waits_can_be_given_up(page: Page, background: Background, agent: Agent) -> None:
    with background.serving(agent) as url:
        begin(page, url)
        keep(page, "first")
        page.get_by_role("button", name="Give it up").click()
        expect(page.locator(".answer").last).to_have_text("Stopped")
        expect(page.get_by_text(WAITS)).to_have_count(0)


def test_what_waits_belongs_to_its_conversation(
    page: Page, background: Background, agent: Agent, outage: Outage
) -> None:
    with background.serving(agent) as url:
        begin(page, url)
        keep(page, "first")
        session = page.evaluate("location.hash")
        page.get_by_role("button", name="New conversation").click()
        expect(page.get_by_label("Welcome")).to_be_visible()
        expect(page.get_by_text(WAITS)).to_have_count(0)
        say(page, "elsewhere")
        expect(page.locator(".said")).to_have_text(["elsewhere"])
        page.goto(f"{url}/{session}")
        expect(page.get_by_text(WAITS)).to_have_count(1)


def test_a_lost_connection_is_told_and_the_waiting_goes_on(
    page: Page, background: Background, agent: Agent, outage: Outage
) -> None:
    with background.serving(agent) as url:
        begin(page, url)
        keep(page, "first")
        page.context.set_offline(True)
        later(page)
        expect(page.locator("#notice")).to_be_visible()
        page.context.set_offline(False)
        outage.over = True
        resume(page, background, agent)
        later(page)
        expect(page.locator(".answer").last).to_have_text("Answer to first")
        expect(page.locator("#notice")).to_be_hidden()
