"""The documentation checker lets nothing through that a reader could not repeat."""

import os
import re
import select
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml import YAMLError

from emonk import ConfigError
from tests.docs.blocks import UncollectedError, blocks_of
from tests.docs.matching import matches
from tests.docs.page import Page
from tests.docs.shell import Step, steps_of

Failed = pytest.fail.Exception


def check(markdown: str, project: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        Page(project, tmp_path, monkeypatch).run(blocks_of("page.md", markdown))


GOOD = {
    "python shares names between blocks": "```python\nx = 1\n```\n\ntext\n\n```python\nassert x == 1\n```\n",
    "python may await": "```python\nimport asyncio\nawait asyncio.sleep(0)\n```\n",
    "python keeps one event loop": (
        "```python\nimport asyncio\ndone = asyncio.get_running_loop().create_future()\nawait asyncio.sleep(0)\n```\n"
        "```python\ndone.set_result(7)\nprint(await done)\n```\n```text\n7\n```\n"
    ),
    "python may run a loop of its own": "```python\nimport asyncio\nasync def f(): pass\nasyncio.run(f())\n```\n",
    "python is a script": '```python\nif __name__ == "__main__":\n    print("hi")\n```\n```output\nhi\n```\n',
    "text elsewhere is only text": "```text\nanything\n```\n",
    "console keeps its variables": "```console\n$ x=3\n$ echo $x\n3\n```\n\nand\n\n```console\n$ echo $x\n3\n```\n",
    "console shows a status": "```console\n$ false\n$ echo $?\n1\n```\n",
    "console has the project's commands first": "```console\n$ command -v python\n[..]/.venv/bin/python\n```\n",
    "console continues lines": "```console\n$ cat <<END\n> two words\n> END\ntwo words\n$ echo a \\\n> b\na b\n```\n",
    "files pass between languages": (
        '```python\nfrom pathlib import Path\n_ = Path("f").write_text("7")\n```\n\n```console\n$ cat f\n7\n```\n'
    ),
    "the example repository is there": (
        "<!-- docs: repository -->\n```console\n$ git log --format=%s\nAdd the radar\nForecast by city\n```\n"
    ),
    "a project block runs in the project": "<!-- docs: project -->\n```console\n$ ls LICENSE\nLICENSE\n```\n",
    "a server goes on in the background": (
        "<!-- docs: background -->\n```console\n$ echo http://127.0.0.1:8080; sleep 60\nhttp://127.0.0.1:8080\n"
        "$ echo next\nnext\n```\n"
    ),
    "an agent's file": "```yaml\nagent:\n  name: a\n  llm:\n    model: offline\n```\n",
    "a model answers": (
        '<!-- docs: gemini ["It is sunny."] -->\n```python\nfrom emonk import Agent\n'
        'async with Agent(name="a", model="gemini:gemini-2.0-flash") as agent:\n'
        '    reply = await agent.process_message("Weather?", session_id="s", user_id="u")\n'
        "print(reply.text)\n```\n```text\nIt is sunny.\n```\n"
    ),
    "a model is told to the console": (
        "<!-- docs: gemini [] -->\n```console\n$ echo $EMONK_GEMINI_BASE_URL\nhttp://127.0.0.1:[..]\n```\n"
    ),
    "fences in a list": "1. so:\n\n   ```console\n   $ echo a\n   a\n   ```\n",
}

WRONG = {
    "python fails": ("```python\nassert False\n```\n", AssertionError),
    "python prints something else": ('```python\nprint("a")\n```\n\n```text\nb\n```\n', Failed),
    "console prints something else": ("```console\n$ echo a\nb\n```\n", Failed),
    "console prints what is not shown": ("```console\n$ echo a\n```\n", Failed),
    "console fails": ("```console\n$ false\n```\n", Failed),
    "console leaves the shell": ("```console\n$ exit\n```\n", Failed),
    "console without a command": ("```console\necho a\n```\n", ValueError),
    "a server ends": ("<!-- docs: background -->\n```console\n$ echo up\nlistening\n```\n", Failed),
    "json": ("```json\n{\n```\n", ValueError),
    "yaml": ("```yaml\n- a\nb\n```\n", YAMLError),
    "an agent's file with an unknown key": ("```yaml\nagent:\n  nam: a\n```\n", ConfigError),
    "toml": ("```toml\n[\n```\n", ValueError),
}

UNCOLLECTED = {
    "no language": "```\nx\n```\n",
    "an unknown language": "```bash\nx\n```\n",
    "attributes": "```python no-run\nx\n```\n",
    "indented code": "text\n\n    x = 1\n",
    "no end": "```python\nx = 1\n",
    "output of nothing": "```output\nx\n```\n",
    "an unknown directive": "<!-- docs: skip -->\n```python\n1 / 0\n```\n",
    "a mistyped directive": "<!-- docs background -->\n```python\nx = 1\n```\n",
    "a directive before text": "<!-- docs: project -->\n\ntext\n\n```python\nx = 1\n```\n",
    "a directive at the end": "text\n\n<!-- docs: project -->\n",
    "a fence inside HTML": "<details>\n```python\n1 / 0\n```\n</details>\n",
    "HTML": "<pre>\nx = 1\n</pre>\n",
}


@pytest.mark.parametrize("markdown", GOOD.values(), ids=list(GOOD))
def test_passes(markdown: str, project: Path, tmp_path: Path) -> None:
    check(markdown, project, tmp_path)


@pytest.mark.parametrize(("markdown", "error"), WRONG.values(), ids=list(WRONG))
def test_fails(markdown: str, error: type[BaseException], project: Path, tmp_path: Path) -> None:
    with pytest.raises(error):
        check(markdown, project, tmp_path)


@pytest.mark.parametrize("markdown", UNCOLLECTED.values(), ids=list(UNCOLLECTED))
def test_refuses(markdown: str) -> None:
    with pytest.raises(UncollectedError):
        blocks_of("page.md", markdown)


def test_a_failure_names_the_line_of_the_page(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        check("# Title\n\n```python\nx = 1\n1 / 0\n```\n", project, tmp_path)
    assert (caught.traceback[-1].path, caught.traceback[-1].lineno + 1) == ("page.md", 5)


def test_nothing_goes_on_after_a_page(project: Path, tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    server = f"exec 8>{held}; echo up; sleep 60"
    check(f"<!-- docs: background -->\n```console\n$ {server}\nup\n```\n", project, tmp_path)
    ended, _, _ = select.select([reader], [], [], 5)  # readable once nobody holds the other end
    assert ended
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_commands_may_go_on_over_lines() -> None:
    assert steps_of("$ a \\\n> b\nc\n$ d\n") == [Step("a \\\nb\n", "c\n"), Step("d\n", "")]


def test_any_lines_and_any_text() -> None:
    assert matches("a\n...\nz", "a\nb\nc\nz\n")
    assert matches("...", "")
    assert matches("took [..] s\n", "took 1.2 s  \n\n")
    assert matches("a", "a\nb", so_far=True)
    assert not matches("a\n...\nb\n...\nc", "a\nc\nb")
    assert not matches("a\n...\na", "a")
    assert not matches("a[..]", "ba")


@given(st.lists(st.sampled_from(["a", "b", "...", "a[..]", ""])), st.lists(st.sampled_from(["a", "b", "ab", ""])))
def test_matching_agrees_with_a_regular_expression(shown: list[str], printed: list[str]) -> None:
    def strip(lines: list[str]) -> list[str]:
        while lines and not lines[-1]:
            lines = lines[:-1]
        return lines

    parts = [
        "(?:.*\n)*" if line == "..." else re.escape(line).replace(r"\[\.\.\]", ".*") + "\n" for line in strip(shown)
    ]
    expected = re.fullmatch("".join(parts), "".join(f"{line}\n" for line in strip(printed))) is not None
    assert matches("\n".join(shown), "\n".join(printed)) == expected
