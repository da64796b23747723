import asyncio
from pathlib import Path

import pytest

from emonk.errors import InvalidConfig
from emonk.records import RiskLevel
from emonk.skills.function import tool
from emonk.skills.index import index, skill_reader
from emonk.skills.loader import load_skills
from emonk.skills.skill import Skill
from tests.skills.calls import context, write_skill

GREET = '''
from emonk import tool

from ._words import HELLO

@tool
def greet(who: str) -> str:
    """Greet somebody."""
    return f"{HELLO} {who}"
'''

SCRIPT = "name: bad\ndescription: d\ntools:\n  - script: act.sh\n    name: act\n    description: d\n    "


def test_a_missing_directory_holds_no_skills(tmp_path: Path) -> None:
    assert load_skills(tmp_path / "none") == ()


def test_a_file_in_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "skills").write_text("")
    with pytest.raises(InvalidConfig, match="not a directory"):
        load_skills(tmp_path / "skills")


def test_a_skill_has_its_instructions_and_its_tools(tmp_path: Path) -> None:
    head = """
        name: greet
        description: Greets people.
        triggers: ["greet {who}"]
        risk: medium
        license: MIT
        metadata: {author: somebody}
        allowed-tools: Bash
    """
    write_skill(
        tmp_path / "deep" / "er", "greet", head, body="\n\nBe kind.\n", _words_py='HELLO = "Hello"', tools_py=GREET
    )
    (skill,) = load_skills(tmp_path)
    assert (skill.name, skill.description, skill.available) == ("greet", "Greets people.", True)
    assert skill.instructions() == "Be kind."
    (greet,) = skill.tools
    assert asyncio.run(greet.run({"who": "Ada"}, context())) == "Hello Ada"
    assert greet.risk is RiskLevel.MEDIUM
    assert greet.triggers == ("greet {who}",)


def test_the_body_is_read_when_it_is_used(tmp_path: Path) -> None:
    folder = write_skill(tmp_path, "late", body="First")
    (skill,) = load_skills(tmp_path)
    text = (folder / "SKILL.md").read_text()
    (folder / "SKILL.md").write_text(text.replace("First", "Second\n---\nand more"))
    assert skill.instructions() == "Second\n---\nand more"
    (folder / "SKILL.md").unlink()
    with pytest.raises(InvalidConfig, match="late"):
        skill.instructions()


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "win").mkdir()
    (tmp_path / "win" / "SKILL.md").write_bytes(
        b"\xef\xbb\xbf---\r\nname: win\r\ndescription: d\r\n---\r\n\r\nBody\r\n"
    )
    (skill,) = load_skills(tmp_path)
    assert (skill.available, skill.instructions()) == (True, "Body")


def test_what_is_missing_is_told_and_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREETING_KEY", raising=False)
    head = """
        name: needy
        description: Needs things.
        requires: {env: [GREETING_KEY], bins: [no-such-program]}
    """
    write_skill(tmp_path, "needy", head, tools_py="raise SystemExit(1)")
    (skill,) = load_skills(tmp_path)
    assert not skill.available
    assert skill.reason == "environment variable GREETING_KEY is not set; program no-such-program is not installed"
    assert skill.tools == ()


@pytest.mark.parametrize(
    ("head", "code", "reason"),
    [
        ("name: [bad\ndescription: d", "", "SKILL.md:3: is not YAML: "),
        ("name: other\ndescription: d", "", "'other' must equal its folder's, 'bad'"),
        ("name: bad", "", "SKILL.md:2: description: is missing"),
        (
            "name: bad\ndescription: d\nrisk: hgih",
            "",
            "md:4: risk: must be low, medium or high (did you mean high?)",
        ),
        (
            "name: bad\ndescription: d\ntrigger: [x]",
            "",
            "md:4: trigger: is no known key (did you mean triggers?)",
        ),
        (
            "name: bad\ndescription: d\nrequires: {envs: [X]}",
            "",
            ":4: requires.envs: is no known key (did you",
        ),
        ("- a\n- b", "", "SKILL.md:2: must be keys with values (begin with `name:`)"),
        ("name: bad\ndescription: d", "x = 1\ndef f(:\n", "tools.py: line 2: SyntaxError"),
        ("name: bad\ndescription: d", "x = 1\nimport nope_x\n", "tools.py: line 2: ModuleNotFoundError"),
        ("name: bad\ndescription: d", "raise SystemExit(3)", "tools.py: line 1: SystemExit: 3"),
        ("name: bad\ndescription: d", "raise KeyboardInterrupt", "tools.py: line 1: KeyboardInterrupt"),
        ("name: bad\ndescription: d", "class Odd(BaseException): ...\nraise Odd('x')", "Odd: x"),
        (
            "name: bad\ndescription: d",
            "from emonk.errors import InvalidConfig\nraise InvalidConfig('two\\nlines')",
            "two lines",
        ),
        (
            "name: bad\ndescription: d",
            "from emonk import tool\n@tool\ndef f(a: 'open(\"/none\")') -> None: ...\n",
            "SKILL.md: FileNotFoundError: ",
        ),
        ("name: bad\ndescription: d\nzz: " + "[" * 60_000, "", "nested deeper than"),
        (f"{SCRIPT}parameters: {{p: &p {{type: object, default: *p}}}}", "", "repeats nothing that is complete"),
        (f"{SCRIPT}parameters: {{p: {{pattern: '('}}}}", "", "tool act: parameter p: missing )"),
        (f"{SCRIPT}parameters: {{p: {{minLength: -1}}}}", "", "parameter p: `min_length` must be >= 0"),
        (f"{SCRIPT}parameters: {{p: {{minimum: 5}}}}", "", "parameter p: Can only set `ge` on a numeric type"),
        (f"{SCRIPT}parameters: {{p: {{enum: [1.5]}}}}", "", "parameter p: Expected `int | str`, got `float`"),
        (f"{SCRIPT}parameters: {{p: {{type: array, items: {{type: nosuch}}}}}}", "", "Invalid enum value 'nosuch'"),
        (f"{SCRIPT}timeout: .nan", "", "tools[0].timeout: must be a number (above 0, at most 604800), not"),
        (f"{SCRIPT}timeout: -1", "", "tools[0].timeout: must be a number (above 0, at most 604800), not"),
        (
            "name: bad\ndescription: d",
            "from emonk import tool\n@tool\ndef f(*a: int) -> None: ...\n",
            "tool function f: parameter *a",
        ),
        ("name: bad\ndescription: d\ntools: [{script: a.sh, name: a, description: d}]", "", "'a.sh' is no .sh file"),
    ],
)
def test_a_broken_skill_is_listed_with_the_place(tmp_path: Path, head: str, code: str, reason: str) -> None:
    write_skill(tmp_path, "bad", head, tools_py=code, act_sh="true")
    write_skill(tmp_path, "good")
    bad, good = load_skills(tmp_path)
    assert good.available
    assert not bad.available
    assert bad.name == "bad"
    assert bad.tools == ()
    assert reason in bad.reason
    assert "\n" not in bad.reason


def test_a_mistake_in_a_list_is_told_at_its_own_line(tmp_path: Path) -> None:
    head = """
        name: bad
        description: d
        metadata: {script: 1, name: 2}
        tools:
          - {script: a.sh, name: a, description: "script: b.sh"}
          - script: b.sh
            name: 7
            description: d
    """
    write_skill(tmp_path, "bad", head)
    (skill,) = load_skills(tmp_path)
    assert "SKILL.md:8: tools[1].name: must be text, not" in skill.reason


def test_words_that_older_yaml_takes_for_booleans_and_dates_stay_words(tmp_path: Path) -> None:
    head = """
        name: speak
        description: d
        tools:
          - script: speak.sh
            name: speak
            description: d
            parameters:
              language: {type: string, enum: [de, no, se]}
              since: {type: string, default: 2024-01-01}
              price: {type: string, default: "${PRICE} $$"}
    """
    write_skill(tmp_path, "speak", head, speak_sh="true")
    (skill,) = load_skills(tmp_path)
    assert skill.reason == ""
    parameters = skill.tools[0].parameters["properties"]
    assert parameters["language"]["enum"] == ["de", "no", "se"]
    assert parameters["since"]["default"] == "2024-01-01"
    assert parameters["price"]["default"] == "${PRICE} $$"


def test_aliases_that_would_explode_are_refused(tmp_path: Path) -> None:
    laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    write_skill(tmp_path, "bad", f"name: bad\ndescription: d\n{laughs}")
    (skill,) = load_skills(tmp_path)
    assert "SKILL.md:" in skill.reason
    assert "holds more than 10000 values" in skill.reason


@pytest.mark.parametrize("text", [b"", b"no frontmatter", b"---\nname: x\n", b"---\nname: \xff\n---\n"])
def test_a_head_that_cannot_be_read_is_told(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "SKILL.md").write_bytes(text)
    (skill,) = load_skills(tmp_path)
    assert not skill.available
    assert "SKILL.md:" in skill.reason


def test_two_tools_of_one_name_are_refused(tmp_path: Path) -> None:
    code = "from emonk import tool\n@tool\ndef act() -> None: ...\n"
    write_skill(tmp_path, "one", tools_py=code)
    write_skill(tmp_path, "two", tools_py=code)
    with pytest.raises(InvalidConfig, match=r"two tools are named 'act'.*one.*two"):
        load_skills(tmp_path)


def test_two_skills_of_one_name_are_refused(tmp_path: Path) -> None:
    write_skill(tmp_path / "a", "same")
    write_skill(tmp_path / "b", "same")
    with pytest.raises(InvalidConfig, match="two skills are named 'same'"):
        load_skills(tmp_path)


def test_files_of_the_same_name_in_two_skills_are_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        code = f"from emonk import tool\n@tool(risk='low')\ndef {name}() -> str:\n    return __name__\n"
        write_skill(tmp_path, name, tools_py=code)
    skills = load_skills(tmp_path)
    names = {asyncio.run(skill.tools[0].run({}, context())) for skill in skills}
    assert len(names) == 2


def test_a_skill_in_code_follows_the_same_rules() -> None:
    @tool
    def risky() -> None: ...

    @tool(risk="low", triggers=["be safe"])
    def safe() -> None: ...

    skill = Skill(name="both", description="d", tools=[risky, safe], triggers=["do it"], risk="medium", body="Text")
    assert [(one.risk, one.triggers) for one in skill.tools] == [("medium", ()), ("low", ("be safe",))]
    assert Skill(name="one", description="d", tools=[risky]).tools[0].risk is RiskLevel.HIGH
    assert Skill(name="one", description="d", tools=[risky], triggers=["go"]).tools[0].triggers == ("go",)
    assert skill.instructions() == "Text"
    with pytest.raises(InvalidConfig, match="Not Good"):
        Skill(name="Not Good", description="d")


def test_the_model_finds_and_reads_skills(tmp_path: Path) -> None:
    write_skill(tmp_path, "empty", body="\n  \n")
    write_skill(tmp_path, "full", body="Do this.")
    write_skill(tmp_path, "idle", "name: idle\ndescription: Is idle.\nrequires: {env: [NO_SUCH_VARIABLE]}", body="Text")
    skills = load_skills(tmp_path)
    assert index(skills).splitlines() == [
        "- empty: About empty.",
        "- full: About full.",
        "- idle: Is idle. (unavailable: environment variable NO_SUCH_VARIABLE is not set)",
    ]
    reader = skill_reader(skills)
    assert reader is not None
    assert (reader.name, reader.risk, reader.idempotent) == ("load_skill", RiskLevel.LOW, True)
    assert reader.parameters["properties"]["name"]["enum"] == ["full"]
    assert asyncio.run(reader.run({"name": "full"}, context())) == "Do this."
    assert skill_reader(skills[:1]) is None
    assert index(()) == ""
