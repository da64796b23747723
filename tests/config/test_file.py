import os
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.config import load
from emonk.config.file import MAX_BYTES
from emonk.errors import InvalidConfig


class Llm(msgspec.Struct, frozen=True):
    model: str
    fallback: str | None = None
    location: str = "us-central1"


class Limits(msgspec.Struct, frozen=True):
    steps: Annotated[int, msgspec.Meta(ge=1)] = 20
    usd: float | None = None


class Budget(msgspec.Struct, frozen=True):
    usd: float = 1.0

    def __post_init__(self) -> None:
        if self.usd <= 0:
            raise InvalidConfig(f"a budget of {self.usd} buys nothing", hint="give it more")


class Agent(msgspec.Struct, frozen=True):
    name: str
    llm: Llm
    backend: Literal["local", "gcs"] = "local"
    integrations: tuple[str, ...] = ()
    limits: Limits = Limits()
    models: dict[str, Limits] = {}
    debug: bool = False
    budget: Budget | None = None


class Document(msgspec.Struct, frozen=True):
    agent: Agent


QUOTES = " (put it in quotes to make it text)"
TAG = " (write the value without a tag)"
MERGE = " (repeat the keys, or alias one value)"

GOOD = """\
agent:
  name: weather
  llm:
    model: ${MODEL:-offline}
    fallback: ${FALLBACK}
  integrations: [google_chat, "git${HUB}"]
  limits:
    steps: ${STEPS:-5}
"""


def write(directory: Path, text: str | bytes) -> Path:
    path = directory / "agent.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(path: Path, env: dict[str, str] | None = None) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as caught:
        load(path, Document, env={} if env is None else env)
    assert "\n" not in str(caught.value)
    assert caught.value.message.startswith(str(path))
    return caught.value


def said(path: Path, env: dict[str, str] | None = None) -> str:
    return str(refusal(path, env)).removeprefix(str(path))


def test_a_file_becomes_the_struct_with_its_variables_put_in(tmp_path: Path) -> None:
    agent = load(write(tmp_path, GOOD), Document, env={"FALLBACK": "gemini:x", "HUB": "hub"}).agent
    assert agent.name == "weather"
    assert agent.llm == Llm(model="offline", fallback="gemini:x")
    assert agent.integrations == ("google_chat", "github")
    assert agent.limits.steps == 5


def test_the_environment_of_the_process_is_used_when_none_is_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMONK_TEST_NAME", "from outside")
    path = write(tmp_path, "agent: {name: '${EMONK_TEST_NAME}', llm: {model: offline}}")
    assert load(path, Document).agent.name == "from outside"


def test_a_plain_value_gets_its_type_after_substitution_and_a_quoted_one_stays_text(tmp_path: Path) -> None:
    text = "agent:\n  name: {}\n  llm: {{model: m}}\n  limits:\n    steps: {}\n"
    assert load(write(tmp_path, text.format('"${N}"', "${N}")), Document, env={"N": "7"}).agent == Agent(
        name="7", llm=Llm("m"), limits=Limits(steps=7)
    )
    assert said(write(tmp_path, text.format("x", '"${N}"')), {"N": "7"}) == (
        ":5: agent.limits.steps: must be a whole number (at least 1), not text (leave out the quotes)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("no", "no"), ("on", "on"), ("2024-01-01", "2024-01-01"), ("1:30", "1:30"), ("0b1", "0b1"), ("1_000", "1_000")],
)
def test_words_that_older_yaml_takes_for_booleans_dates_and_times_stay_words(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = write(tmp_path, f"agent: {{name: {text}, llm: {{model: m}}}}")
    assert load(path, Document, env={}).agent.name == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1.0), ("1.5", 1.5), (".5e1", 5.0), ("0x10", 16.0), ("0o17", 15.0), ("~", None)]
)
def test_numbers_and_null_follow_the_core_schema(tmp_path: Path, text: str, expected: float | None) -> None:
    path = write(tmp_path, f"agent: {{name: n, llm: {{model: m}}, limits: {{usd: {text}}}}}")
    assert load(path, Document, env={}).agent.limits.usd == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("name:", "nmae:"), ":2: agent.nmae: is no known key (did you mean name?)"),
        (
            ("    steps", "    zzz"),
            ":8: agent.limits.zzz: is no known key (known here: steps, usd)",
        ),
        (("  name: weather\n", ""), ":1: agent.name: is missing"),
        (("name: weather", "name: 3"), ":2: agent.name: must be text, not 3" + QUOTES),
        (
            ("name: weather", "name: yes\n  debug: yes"),
            ":3: agent.debug: must be true or false, not text (did you mean true?)",
        ),
        (("name: weather", "name: [a]"), ":2: agent.name: must be text, not a list"),
        (
            ("name: weather", "name: a\n  backend: gsc"),
            ":3: agent.backend: must be gcs or local (did you mean gcs?)",
        ),
        (("[google_chat,", "[google_chat, 4,"), ":6: agent.integrations[1]: must be text, not 4" + QUOTES),
        (("${STEPS:-5}", "0"), ":8: agent.limits.steps: must be a whole number (at least 1), not 0"),
        (
            ("name: weather", "name: a\n  models:\n    x: {steps: 2}\n    y: {steps: many}"),
            ":5: agent.models.y.steps: must be a whole number (at least 1), not text",
        ),
        (
            ("name: weather", "name: a\n  models: {x: {stepz: 1}}"),
            ":3: agent.models.x.stepz: is no known key (did you mean steps?)",
        ),
        (("agent:", "agent: &a\n  <<: {}"), ":2: agent: merge keys (<<) are not supported" + MERGE),
        (("name: weather", "name: a\n  name: b"), ":3: agent.name: is given twice, first in line 2"),
        (("name: weather", "name: !!str a"), ":2: agent.name: the tag tag:yaml.org,2002:str is not allowed" + TAG),
        (
            ("name: weather", "name: *nobody"),
            ":2: agent.name: the alias *nobody repeats nothing that is complete before it",
        ),
        (("name: weather", "? [a]\n  : b"), ":2: agent: a key must be a plain word"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    path = write(tmp_path, GOOD.replace(*change))
    assert said(path, {"FALLBACK": "f", "HUB": "h"}) == expected


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (str, "", "is empty, and must be text"),
        (str, "{a: b}", "must be text, not keys with values"),
        (str | None, "true", "must be text, not true" + QUOTES),
        (str | int, "[1]", "must be text or a whole number, not a list"),
        (int, "1.5", "must be a whole number, not 1.5"),
        (int, "false", "must be a whole number, not false"),
        (int | None, "'5'", "must be a whole number, not text (leave out the quotes)"),
        (
            Annotated[int, msgspec.Meta(ge=1, le=9)],
            "9" * 40,
            "must be a whole number (at least 1, at most 9), not such a number",
        ),
        (Annotated[float, msgspec.Meta(gt=0, lt=1)], ".nan", "must be a number (above 0, below 1), not nan"),
        (float, "soon", "must be a number, not text"),
        (Decimal, "a lot", "must be a number, not text"),
        (Decimal | None, "[1]", "must be a number, not a list"),
        (int, "1_000", "must be a whole number, not text"),
        (int, "'1.5'", "must be a whole number, not text"),
        (float, "'1.5'", "must be a number, not text (leave out the quotes)"),
        (float, "'true'", "must be a number, not text"),
        (bool, "'true'", "must be true or false, not text (leave out the quotes)"),
        (bool, "'1'", "must be true or false, not text"),
        (bool, "no", "must be true or false, not text (did you mean false?)"),
        (bool, "3", "must be true or false, not 3"),
        (bool, "perhaps", "must be true or false, not text"),
        (date, "soon", "must be a date such as 2026-11-26"),
        (Literal["low", "mid", "high"], "hihg", "must be high, low or mid (did you mean high?)"),
        (Literal["low", "high"], "zzz", "must be high or low"),
        (Literal["low", "high"], "[low]", "must be high or low, not a list"),
        (list[str], "github", "must be a list, not text (put it in square brackets to make it a list)"),
        (list[str], "{a: b}", "must be a list, not keys with values (begin each entry with a dash)"),
        (Llm, "offline", "must be keys with values, not text (known here: model, fallback, location)"),
        (Llm | None, "[offline]", "must be keys with values, not a list (known here: model, fallback, location)"),
        (Llm, "~", "is empty, and must be keys with values (known here: model, fallback, location)"),
        (dict[str, int], "3", "must be keys with values, not 3"),
    ],
)
def test_a_wrong_type_is_told_in_the_words_of_yaml(tmp_path: Path, kind: Any, value: str, expected: str) -> None:
    document = msgspec.defstruct("Document", [("section", msgspec.defstruct("Section", [("key", kind)]))])
    path = write(tmp_path, f"section:\n  key: {value}\n")
    with pytest.raises(InvalidConfig) as caught:
        load(path, document, env={})
    assert str(caught.value) == f"{path}:2: section.key: {expected}"


def test_a_wrong_type_under_any_key_is_told_with_that_key(tmp_path: Path) -> None:
    """Also when others before it are of a section that refuses them itself."""
    kind = dict[str, list[dict[str, Budget | None]]]
    document = msgspec.defstruct("Document", [("section", kind)])
    path = write(tmp_path, "section:\n  a: []\n  b:\n    - c: {usd: 1}\n      d:\n        usd: many\n")
    with pytest.raises(InvalidConfig, match=re.escape(f"{path}:6: section.b[0].d.usd: must be a number, not text")):
        load(path, document, env={})


def test_text_that_does_not_fit_is_not_repeated(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("${STEPS:-5}", "${KEY}").replace("name: weather", "name: a\n  backend: local"))
    assert "s3cret" not in said(path, {"FALLBACK": "f", "HUB": "h", "KEY": "s3cret"})
    path = write(tmp_path, GOOD.replace("name: weather", "name: a\n  backend: ${KEY}"))
    assert "s3cret" not in said(path, {"FALLBACK": "f", "HUB": "h", "KEY": "s3cret"})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("size is -1", ":3: sections[0].size: is -1"),
        ("sections.size is -1", ":3: sections[0].size: is -1"),
        ("sections.size is 5, below other, 7", ":3: sections[0].size: is 5, below other, 7"),
        ("sections.more is missing", ":2: sections[0]: sections.more is missing"),
        ("size and weight do not go together", ":2: sections[0]: size and weight do not go together"),
    ],
)
def test_what_a_section_refuses_of_one_key_is_told_with_that_key(tmp_path: Path, said: str, expected: str) -> None:
    def refuse(_: object) -> None:
        raise InvalidConfig(said)

    section = msgspec.defstruct("Section", [("size", int), ("other", int, 0)], namespace={"__post_init__": refuse})
    document = msgspec.defstruct("Document", [("sections", list[section])])
    path = write(tmp_path, "sections:\n  - other: 1\n    size: 5\n")
    with pytest.raises(InvalidConfig) as caught:
        load(path, document, env={})
    assert str(caught.value) == f"{path}{expected}"


def test_what_a_section_itself_refuses_is_told_with_the_line_of_the_section(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "  budget:\n    usd: 0\n")
    assert said(path, {"FALLBACK": "f", "HUB": "h"}) == (
        ":9: agent.budget: a budget of 0.0 buys nothing (give it more)"
    )


def test_a_missing_variable_is_told_with_line_key_and_name(tmp_path: Path) -> None:
    assert said(write(tmp_path, GOOD), {"HUB": ""}) == (
        ":5: agent.llm.fallback: the environment variable FALLBACK is not set"
        " (set FALLBACK, or give it a default: ${FALLBACK:-default})"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ":1: is empty"),
        ("# only a comment\n", ":1: is empty"),
        ("~", ":1: is empty"),
        ("- a\n", ":1: must be keys with values (begin with `agent:`)"),
        ("word", ":1: must be keys with values (begin with `agent:`)"),
        ("agent:\n  name: a\n\n  \xff", None),
        (b"agent:\n  name: \xff\n", ":2: is not UTF-8 (save the file as UTF-8)"),
        (b"agent:\n\n  name: \x00\n", ":3: holds the character U+0000, which YAML does not allow"),
        ("agent: {}\n---\nagent: {}\n", ":2: begins a second document; there must be one"),
        ("a: [1\nb: 2\n", None),
        ("agent: !!python/object/apply:os.system ['true']\n", None),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_line(
    tmp_path: Path, text: str | bytes, expected: str | None
) -> None:
    answer = said(write(tmp_path, text))
    assert answer == expected if expected else re.match(r":\d+: ", answer)


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    assert said(tmp_path / "absent.yaml") == ": cannot be read: No such file or directory"
    assert said(tmp_path) == ": cannot be read: Is a directory"
    assert "cannot be read" in said(Path("a\0b"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    path.chmod(0)
    assert said(path) == ": cannot be read: Permission denied"


def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    assert said(write(tmp_path, "#" * (MAX_BYTES + 1))) == ": is larger than 1 MiB (is this the right file?)"


def test_an_alias_repeats_a_value_and_a_mistake_inside_is_told_where_it_stands(tmp_path: Path) -> None:
    text = "agent:\n  name: &n weather\n  llm: {model: *n}\n  models:\n    a: &l {steps: 3}\n    b: *l\n"
    agent = load(write(tmp_path, text), Document, env={}).agent
    assert agent.llm.model == "weather"
    assert agent.models == {"a": Limits(3), "b": Limits(3)}


def test_aliases_that_would_explode_are_refused(tmp_path: Path) -> None:
    laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    assert "holds more than 10000 values" in said(write(tmp_path, laughs))
    assert "complete before it" in said(write(tmp_path, "a: &a [*a]"))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    assert "nested deeper than 32 levels" in said(write(tmp_path, "a: " + "[" * 500_000))
    assert "nested deeper than 32 levels" in said(write(tmp_path, "".join(" " * n + "a:\n" for n in range(500))))


YAML_PIECES = st.sampled_from(
    ["agent", ":", " ", "\n", "  ", "-", "[", "]", "{", "}", ",", "&a", "*a", "!!str", "|", ">", '"', "'", "#", "${A}",
     "${", "$$", "name", "llm", "model", "offline", "1", "?", "<<", "%", "---", "...", "~", "\t", "\r", "\x85",
     "9" * 5000]
)  # fmt: skip


@settings(deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.lists(YAML_PIECES, max_size=40).map(lambda parts: "".join(parts).encode()))
)
def test_any_bytes_are_a_configuration_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = write(tmp_path_factory.getbasetemp(), raw)
    try:
        assert isinstance(load(path, Document, env={"A": "x"}), Document)
    except InvalidConfig as error:
        message = error.message
    else:
        return
    assert message.startswith(str(path))


def test_the_example_files_are_read_as_they_are(project: Path) -> None:
    examples = sorted((project.parent / "shared" / "examples").glob("*.yaml"))
    if not examples:
        pytest.skip("no ../shared/examples")
    for example in examples:
        document = load(example, dict[str, dict[str, object]], env={"VERTEX_AI_PROJECT_ID": "p"})
        assert str(document["agent"]["name"]).endswith("-agent")


def test_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "agent.yaml"
    os.mkfifo(pipe)
    link = tmp_path / "link.yaml"
    link.symlink_to(pipe)
    for path in (pipe, link, Path("/dev/zero")):
        assert said(path) == ": is no regular file (a pipe or a device is not read)"
