"""The chat page in a real browser, as a user sees it."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from emonk import tool
from emonk.agent import Agent
from emonk.messages import ToolMessage, UserMessage
from emonk.models.protocol import ModelRequest
from emonk.runtime.compression.section import ContextSection
from emonk.runtime.compression.summary import RULES
from emonk.testing.model import Plain, call
from tests.conftest import PROJECT
from tests.gateway.browsing import Background, sign_in
from tests.gateway.serving import TOKEN, agent_of

REVIEW = """\
## One finding

| file | line |
| --- | --- |
| `app.py` | 3 |

- **critical**: `eval` of input, see [the rule](https://docs.astral.sh/ruff/)
- not a link: [click](javascript:alert(1)) and <img src=x onerror=alert(1)>

```python
eval(input())
```
"""


@tool(risk="low", idempotent=True, triggers=("review the last commit",))
async def review(commits: int = 1) -> str:
    """Review commits.

    Args:
        commits: how many.
    """
    return f"<b>reviewed</b> {commits}"


def answer(request: ModelRequest) -> Plain:
    last = request.messages[-1]
    if isinstance(last, ToolMessage):
        return REVIEW
    return call("review", commits=1)


def test_one_click_reviews_and_a_reload_keeps_it(page: Page, background: Background, tmp_path: Path) -> None:
    with background.serving(agent_of(tmp_path, answer, name="jr-engineer", tools=[review])) as url:
        sign_in(page, url)
        assert TOKEN not in page.url
        page.get_by_role("button", name="review the last commit").click()
        for _ in range(2):
            log = page.get_by_role("log")
            expect(log.locator(".said")).to_have_text("review the last commit")
            expect(log.get_by_role("heading", name="One finding")).to_be_visible()
            expect(log.get_by_role("cell", name="app.py")).to_be_visible()
            expect(log.get_by_role("link", name="the rule")).to_have_attribute("href", "https://docs.astral.sh/ruff/")
            expect(log.locator("pre code")).to_have_text("eval(input())")
            expect(log.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
            expect(log.get_by_role("link")).to_have_count(1)
            expect(log.locator(".text img")).to_have_count(0)
            result = log.locator("details.tool")
            expect(result).to_have_count(1)
            expect(result.get_by_text("<b>reviewed</b> 1")).to_be_hidden()
            result.locator("summary").click()
            expect(result.get_by_text("<b>reviewed</b> 1")).to_be_visible()
            page.reload()
        expect(page.locator("#sessions")).to_contain_text("review the last commit")


def test_enter_sends_and_shift_enter_breaks_the_line(page: Page, background: Background, tmp_path: Path) -> None:
    with background.serving(agent_of(tmp_path, ["**Hello** to you"])) as url:
        sign_in(page, url)
        box = page.get_by_label("Message")
        box.fill("first line")
        box.press("Shift+Enter")
        box.press_sequentially("second line")
        box.press("Enter")
        expect(page.locator(".said")).to_have_text("first line\nsecond line")
        expect(page.locator(".answer strong")).to_have_text("Hello")
        expect(box).to_have_value("")


@pytest.mark.parametrize(("line", "drawn"), [("---", "hr"), ("- a", "li")])
def test_a_reply_of_very_many_lines_is_shown(
    page: Page, background: Background, tmp_path: Path, line: str, drawn: str
) -> None:
    text = f"{line}\n" * 150_000
    with background.serving(agent_of(tmp_path, [text + "the end"])) as url:
        sign_in(page, url)
        page.get_by_label("Message").fill("go on and on")
        page.get_by_label("Message").press("Enter")
        ends = "document.querySelector('.answer .text > pre')?.textContent.endsWith('the end')"
        page.wait_for_function(f"() => {ends}")
        assert page.evaluate(f"document.querySelectorAll('.answer {drawn}').length") == 5000


def test_stop_ends_the_turn_and_the_session_goes_on(page: Page, background: Background, tmp_path: Path) -> None:
    async def never(_request: ModelRequest) -> str:
        await asyncio.Event().wait()
        return "unreachable"

    with background.serving(agent_of(tmp_path, [never, "back again"])) as url:
        sign_in(page, url)
        box = page.get_by_label("Message")
        box.fill("wait for it")
        box.press("Enter")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".outcome")).to_contain_text("Stopped")
        box.fill("and now?")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("log").get_by_text("back again")).to_be_visible()


def test_a_turn_that_runs_is_joined_again_after_a_reload(page: Page, background: Background, tmp_path: Path) -> None:
    gates: list[asyncio.Event] = []

    async def late(_request: ModelRequest) -> str:
        gates.append(asyncio.Event())
        await gates[0].wait()
        return "here at last"

    with background.serving(agent_of(tmp_path, [call("review"), late], tools=[review])) as url:
        sign_in(page, url)
        page.get_by_label("Message").fill("take your time")
        page.get_by_label("Message").press("Enter")
        expect(page.locator("details.tool:not(.running)")).to_have_count(1)
        page.reload()
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        background.loop.call_soon_threadsafe(gates[0].set)
        expect(page.get_by_role("log").get_by_text("here at last")).to_be_visible()
        expect(page.locator("details.tool")).to_have_count(1)


SIZES = pytest.mark.parametrize("size", [(1100, 800), (390, 844), (1600, 500)], ids=lambda size: f"{size[0]}x{size[1]}")
BELOW = (
    "(() => { const s = document.getElementById('scroll'); return s.scrollHeight - s.scrollTop - s.clientHeight; })()"
)


def long_answer(request: ModelRequest) -> Plain:
    last = request.messages[-1]
    return REVIEW * 6 + "\nThat was all." if isinstance(last, ToolMessage) else call("review")


def ask(page: Page, text: str) -> None:
    """Send a message and wait until its answer is there."""
    answers = page.locator(".answer").count()
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")
    expect(page.locator(".answer")).to_have_count(answers + 1)
    expect(page.locator(".answer").last).to_contain_text("That was all.")


@SIZES
def test_the_end_is_in_view_after_each_message_and_after_a_reload(
    page: Page, background: Background, tmp_path: Path, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    with background.serving(agent_of(tmp_path, long_answer, tools=[review])) as url:
        sign_in(page, url)
        for text in ("review it", "once more", "a message\nof\nfour\nlines"):
            ask(page, text)
            page.wait_for_function(f"() => {BELOW} <= 1")
        page.reload()
        expect(page.locator(".answer")).to_have_count(3)
        page.wait_for_function(f"() => {BELOW} <= 1 && document.getElementById('scroll').scrollTop > 1000")


@SIZES
def test_a_reader_who_scrolled_up_stays_there_until_the_next_message(
    page: Page, background: Background, tmp_path: Path, size: tuple[int, int]
) -> None:
    gates: list[asyncio.Event] = []

    async def late(_request: ModelRequest) -> str:
        gates.append(asyncio.Event())
        await gates[0].wait()
        return REVIEW * 6 + "\nThat was all."

    page.set_viewport_size({"width": size[0], "height": size[1]})
    script = [REVIEW * 6 + "\nThat was all.", late, "Short. That was all."]
    with background.serving(agent_of(tmp_path, script)) as url:
        sign_in(page, url)
        ask(page, "review it")
        page.get_by_label("Message").fill("once more")
        page.get_by_label("Message").press("Enter")
        page.wait_for_function(f"() => {BELOW} <= 1")
        page.locator("#scroll").hover()
        page.mouse.wheel(0, -600)
        page.wait_for_function(f"() => {BELOW} >= 500")
        place = page.evaluate("document.getElementById('scroll').scrollTop")
        background.loop.call_soon_threadsafe(gates[0].set)
        expect(page.locator(".answer").last).to_contain_text("That was all.")
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        assert page.evaluate("document.getElementById('scroll').scrollTop") == place
        ask(page, "and now")
        page.wait_for_function(f"() => {BELOW} <= 1")


def test_enter_during_a_turn_says_what_to_do_and_keeps_the_text(
    page: Page, background: Background, tmp_path: Path
) -> None:
    async def never(_request: ModelRequest) -> str:
        await asyncio.Event().wait()
        return "unreachable"

    with background.serving(agent_of(tmp_path, [never])) as url:
        sign_in(page, url)
        box = page.get_by_label("Message")
        box.fill("wait for it")
        box.press("Enter")
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        box.fill("are you there?")
        box.press("Enter")
        hint = page.get_by_text("Wait for the answer")
        expect(hint).to_be_visible()
        expect(box).to_have_value("are you there?")
        box.press("Escape")
        expect(hint).to_be_hidden()
        expect(page.locator(".said")).to_have_count(1)


def test_what_another_tab_said_is_shown_on_return(page: Page, background: Background, tmp_path: Path) -> None:
    with background.serving(agent_of(tmp_path, long_answer, tools=[review])) as url:
        sign_in(page, url)
        ask(page, "from the first tab")
        other = page.context.new_page()
        other.goto(page.url)
        expect(other.locator(".answer")).to_have_count(1)
        ask(other, "from the second tab")
        for tab, said in ((page, 2), (other, 2)):
            tab.evaluate("window.dispatchEvent(new Event('focus'))")
            expect(tab.locator(".said")).to_have_count(said)
        ask(page, "back in the first tab")
        other.evaluate("window.dispatchEvent(new Event('focus'))")
        for tab in (page, other):
            expect(tab.locator(".said")).to_have_text(
                ["from the first tab", "from the second tab", "back in the first tab"]
            )
            expect(tab.locator(".answer")).to_have_count(3)
            expect(tab.locator("details.tool")).to_have_count(3)


PAGE = "The quarterly report names src/report/q3.py and ticket ACME-42. " * 10
NOTE = "What was said before is summarised for the model"


@tool(risk="low", idempotent=True)
async def read_page(number: int) -> str:
    """Read a page of a book.

    Args:
        number: which.
    """
    return f"page {number}: {PAGE}"


class Reader:
    """A model that reads so many pages, one by one, each time that it is asked something else."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.summaries = 0

    def __call__(self, request: ModelRequest) -> Plain:
        if request.instructions == RULES:
            self.summaries += 1
            return "The user wants the report read."
        if isinstance(request.messages[-1], UserMessage) and self.pages == 0:
            return "Gladly."
        self.pages -= 1
        return call("read_page", number=self.pages) if self.pages >= 0 else "All is read."


def test_a_summary_is_told_once_before_the_answer_as_it_comes_and_after_a_reload(
    page: Page, background: Background, tmp_path: Path
) -> None:
    reader = Reader(0)
    agent = agent_of(tmp_path, reader, tools=[read_page], context=ContextSection(budget=2000))
    with background.serving(agent) as url:
        sign_in(page, url)
        box = page.get_by_label("Message")
        box.fill("Hello")
        box.press("Enter")
        expect(page.locator(".answer")).to_contain_text("Gladly.")
        expect(page.get_by_text(NOTE)).to_have_count(0)
        reader.pages = 20
        box.fill("Read the report to the end.")
        box.press("Enter")
        for _ in range(2):
            expect(page.locator(".answer").last).to_contain_text("All is read.")
            expect(page.locator("#log > *")).to_have_text(
                ["Hello", re.compile("Gladly"), "Read the report to the end.", NOTE, re.compile(r"All is read\.")]
            )
            page.reload()
        assert reader.summaries > 1


@tool(risk="low", triggers=("charge the card",))
async def charge() -> str:
    """Charge the card."""
    await asyncio.Event().wait()
    return "unreachable"


def test_a_call_that_the_server_did_not_survive_is_told_when_it_is_back(
    page: Page, background: Background, tmp_path: Path
) -> None:
    def agent() -> Agent:
        return Agent("tester", "offline", tools=[charge], store=f"sqlite:///{tmp_path / 'sessions.db'}")

    with background.serving(agent()) as url:
        sign_in(page, url)
        page.get_by_role("button", name="charge the card").click()
        expect(page.locator("details.tool.running")).to_have_count(1)
        session = page.evaluate("location.hash")
    expect(page.locator("details.tool.running")).to_have_count(0)
    with background.serving(agent()) as url:
        page.goto(f"{url}/?token={TOKEN}")
        page.goto(f"{url}/{session}")
        expect(page.locator("details.tool.failed .time")).to_have_text("outcome unknown")
        expect(page.locator(".text")).to_contain_text("whether it took effect is not known")
        expect(page.locator(".text")).not_to_contain_text("Do not repeat it")


def test_on_a_phone_the_conversations_open_on_demand(page: Page, background: Background, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 380, "height": 700})
    with background.serving(agent_of(tmp_path, ["hello"])) as url:
        page.goto(f"{url}/?token={TOKEN}")
        new = page.get_by_role("button", name="New conversation")
        expect(new).to_be_hidden()
        page.get_by_role("button", name="Conversations").click()
        expect(new).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_a_model_the_page_says_so(page: Page, background: Background, tmp_path: Path) -> None:
    offline = Agent("tester", "offline", tools=[review], store=f"sqlite:///{tmp_path / 'sessions.db'}")
    with background.serving(offline) as url:
        sign_in(page, url)
        expect(page.get_by_label("Welcome")).to_contain_text("No language model is configured")


def test_the_sign_in_form_lets_a_browser_in(page: Page, background: Background, tmp_path: Path) -> None:
    with background.serving(agent_of(tmp_path, [])) as url:
        page.goto(url)
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_label("Message")).to_be_visible()


def test_the_jr_engineer_reviews_a_repository(
    page: Page, background: Background, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    commit(repository, "start", "def total(numbers):\n    return sum(numbers)\n")
    commit(
        repository, "ask", "def total(numbers):\n    return sum(numbers)\n\n\ndef ask():\n    return eval(input())\n"
    )
    monkeypatch.chdir(repository)
    agent = Agent.from_file(PROJECT / "src/emonk/agents/jr_engineer/agent.yaml", model="offline")
    with background.serving(agent) as url:
        sign_in(page, url)
        page.get_by_role("button", name="review the last commit").click()
        expect(page.locator("details.tool .name")).to_have_text("review")
        expect(page.locator(".text")).to_contain_text("app.py:6")
        expect(page.locator(".text")).to_contain_text("eval")


def commit(repository: Path, message: str, code: str) -> None:
    git = ["git", "-C", str(repository), "-c", "user.name=T", "-c", "user.email=t@example.org"]
    repository.mkdir(exist_ok=True)
    (repository / "app.py").write_text(code)
    for arguments in (["init", "-q"], ["add", "app.py"], ["commit", "-q", "-m", message]):
        subprocess.run([*git, *arguments], check=True)
