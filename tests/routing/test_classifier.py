"""What a classifier promises whatever it learns from; how well it does is in benchmarks/routing.py."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from emonk.errors import InvalidConfig
from emonk.routing import Classifier, assess
from emonk.routing.model_file import MOST, decode_model, encode_model

HARD = ("prove", "derive", "integral", "theorem", "eigenvalue", "refactor", "concurrency")
EASY = ("capital", "weather", "greet", "translate", "opening", "color", "name")
FILLER = ("please", "the", "of", "for", "a", "in", "with", "and", "my", "this", "now", "today", "thing", "again")


def rows(count: int, seed: int = 0) -> list[tuple[str, bool]]:
    """Prompts in which a few words tell which is hard, with one label in ten wrong."""
    draw = random.Random(seed)
    found: list[tuple[str, bool]] = []
    for number in range(count):
        hard = draw.random() < 0.4
        words = draw.choices(HARD if hard else EASY, k=2) + draw.choices(FILLER, k=draw.randint(3, 9))
        draw.shuffle(words)
        found.append((f"{' '.join(words)} {number}?", hard != (draw.random() < 0.1)))
    return found


@pytest.fixture(scope="module")
def trained() -> Classifier:
    return Classifier.train(rows(300))


def test_what_needs_the_lead_scores_higher(trained: Classifier) -> None:
    unseen = rows(200, seed=9)
    hard = [trained.score(text) for text, label in unseen if label]
    easy = [trained.score(text) for text, label in unseen if not label]
    right = sum(one > other for one in hard for other in easy) / (len(hard) * len(easy))
    assert right > 0.75


def test_a_word_that_was_never_seen_is_judged_by_those_that_look_like_it(trained: Classifier) -> None:
    assert trained.score("theorems") > trained.score("translating")


def test_the_same_rows_give_the_same_file_in_whatever_order(tmp_path: Path, trained: Classifier) -> None:
    turned = rows(300)[::-1]
    trained.save(tmp_path / "one")
    Classifier.train(iter(turned)).save(tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.fixture(scope="module")
def loaded(trained: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    path = tmp_path_factory.mktemp("model") / "model"
    trained.save(path)
    return Classifier.load(path)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=300) | st.text("aA1. \n(){}=?_%$\ud800\u00b2", max_size=200))
def test_any_text_scores_the_same_after_loading(trained: Classifier, loaded: Classifier, text: str) -> None:
    assert trained.score(text) == loaded.score(text)
    assert -5 < loaded.score(text) < 5


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_what_explains_a_score_adds_up_to_it(trained: Classifier, text: str) -> None:
    assert sum(part.value for part in trained.explain(text)) == pytest.approx(trained.score(text))


def test_words_explain_a_score(trained: Classifier) -> None:
    assert {part.name for part in trained.explain("prove the theorem") if part.value > 0.01} >= {'"prove"', '"theorem"'}


@pytest.mark.parametrize("text", ["x" * 10**6, "9" * 10**6, "\nA. " * 250_000, "\n\nQ: " * 200_000, "a " * 500_000])
def test_a_prompt_of_a_megabyte_is_looked_at_in_part(trained: Classifier, text: str) -> None:
    assert -5 < trained.score(text) < 5


def test_worked_examples_in_front_of_the_question_do_not_count(trained: Classifier) -> None:
    examples = "Question: prove a theorem\nAnswer: yes\n\nQuestion: derive it\nAnswer: no\n\n"
    assert trained.score(examples + "Question: name the capital") == trained.score("Question: name the capital")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_of_other_prompts_about_the_share_reaches_the_threshold(share: float) -> None:
    made = Classifier.train(rows(300), lead_share=share)
    above = sum(made.score(text) >= made.threshold for text, _ in rows(300, seed=4)) / 300
    assert above == pytest.approx(share, abs=0.12)


def test_a_trained_classifier_says_how_hard_a_task_is(trained: Classifier) -> None:
    hard, easy = assess("derive the integral and prove this", trained), assess("name the capital again", trained)
    assert (hard.complexity, easy.complexity) == ("complex", "simple")
    assert "classifier" in hard.reason


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([], "nothing to learn from"),
        ([("one", True), ("two", True)], "every row needs the lead"),
        ([("one", False)], "no row needs the lead"),
        ([("one", True), ("two", "yes")], "pair 2: the label is 'yes'"),
        ([("one", True), ("two", 0)], "pair 2: the label is 0"),
        ([("one", True), ("two", None)], "pair 2: the label is None"),
        ([("one", True), (None, False)], "pair 2: the prompt is NoneType"),
        ([("one", True), (" \n", False)], "pair 2: the prompt is empty"),
        ([("one", True), "ab", ("two", False)], "pair 2 is no pair"),
        ([("one", True), ("two",)], "pair 2 is no pair"),
    ],
)
def test_what_it_cannot_learn_from_is_named(pairs: list[tuple[str, bool]], said: str) -> None:
    with pytest.raises(InvalidConfig, match=said):
        Classifier.train(pairs)


def test_two_prompts_are_enough_though_little_follows_from_them() -> None:
    made = Classifier.train([("hello", False), ("prove it", True)])
    assert made.score("prove it") > made.score("hello")


def test_contradicting_and_repeated_prompts_are_learnt_as_they_are() -> None:
    pairs = [("the same", True)] * 30 + [("the same", False)] * 10
    assert Classifier.train(pairs).score("the same") == pytest.approx(0.75, abs=0.1)


def test_lone_surrogates_are_learnt_and_kept(tmp_path: Path) -> None:
    pairs = [(f"odd \ud800 text {n}", True) for n in range(5)] + [(f"even text {n}", False) for n in range(5)]
    made = Classifier.train(pairs)
    made.save(tmp_path / "model")
    assert Classifier.load(tmp_path / "model").score("\ud800") == made.score("\ud800")


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(InvalidConfig, match="lead_share"):
        Classifier.train(rows(20), lead_share=share)


@pytest.fixture(scope="module")
def written(trained: Classifier) -> bytes:
    return encode_model(trained.parameters)


def test_a_file_that_was_changed_anywhere_is_refused(written: bytes) -> None:
    for place in range(0, len(written), max(1, len(written) // 200)):
        changed = bytearray(written)
        changed[place] ^= 0x41
        with pytest.raises(InvalidConfig, match="the model"):
            decode_model(bytes(changed), "the model")


@pytest.mark.parametrize("said", [complex(0, -1), complex(float("inf"), 1), complex(0, float("nan"))])
def test_a_word_with_a_number_that_cannot_be_is_refused(trained: Classifier, said: complex) -> None:
    wording = replace(trained.parameters.wording, terms={"prove": said})
    with pytest.raises(InvalidConfig, match="no model that can be used"):
        decode_model(encode_model(replace(trained.parameters, wording=wording)), "the model")


def test_a_file_that_was_cut_anywhere_is_refused(written: bytes) -> None:
    for size in range(0, len(written), max(1, len(written) // 200)):
        with pytest.raises(InvalidConfig, match="the model"):
            decode_model(written[:size], "the model")


def broken_files(folder: Path) -> Iterator[tuple[Path, str]]:
    yield folder / "none", "is not there"
    yield folder, "is no file"
    (folder / "other").write_bytes(b"\x80\x04pickled")
    yield folder / "other", "is not the model of a router"
    (folder / "later").write_bytes(b"emonk router model 4\n" + bytes(40))
    yield folder / "later", "has version 4, not 3"
    with (folder / "large").open("wb") as file:
        file.truncate(MOST + 1)
    yield folder / "large", "is larger"


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    for path, said in broken_files(tmp_path):
        with pytest.raises(InvalidConfig, match=said) as caught:
            Classifier.load(path)
        assert str(path) in caught.value.message


def test_a_model_that_cannot_be_written_is_named_and_leaves_nothing(trained: Classifier, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    for path in (tmp_path / "taken", tmp_path / "none" / "model"):
        with pytest.raises(InvalidConfig, match="cannot be written"):
            trained.save(path)
    assert [one.name for one in tmp_path.iterdir()] == ["taken"]
