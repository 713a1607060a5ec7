from collections.abc import Sequence

import pytest

from treadle.compiler.lm.offline_labels import keyed_lines, plain, profiles
from treadle.compiler.lm.offline_words import Noise

LABELS = ["card", "transfer", "other"]
QUIET = Noise("", 0.0)


def chosen(text: str, said: str = "", shown: Sequence[tuple[str, str]] = (), labels: Sequence[str] = LABELS) -> str:
    return str(profiles(labels, labels, said, shown).choose(text, QUIET, "label"))


def test_a_name_in_the_input_counts() -> None:
    assert chosen("I lost my card") == "card"
    assert chosen("which transfers are open", labels=["card_lost", "open_transfer"]) == "open_transfer"


@pytest.mark.parametrize(
    "said",
    [
        "other: umbrellas",
        "- other: umbrellas",
        "* **other**: umbrellas",
        "3. `other`: umbrellas",
        '"Other" : umbrellas',
        "other -> umbrellas",
        'Say "other" for umbrellas.',
        "Umbrellas are `other`.",
    ],
)
def test_lines_and_quotes_speak_of_a_label(said: str) -> None:
    assert chosen("my umbrellas broke", f"Choose.\n{said}\ntransfer: money") == "other"


def test_a_label_in_running_text_is_not_spoken_of() -> None:
    said = "Choose one of the other options if a card has umbrellas on it.\ntransfer: umbrellas"
    assert chosen("my umbrellas broke", said) == "transfer"


def test_a_quote_speaks_only_in_its_sentence() -> None:
    said = 'Use "card" for plastic. Use "transfer" for umbrellas.'
    assert chosen("my umbrellas broke", said) == "transfer"


def test_demos_count_and_unknown_labels_in_them_do_not() -> None:
    shown = [("other", "it is raining umbrellas"), ("nonsense", "umbrellas umbrellas")]
    assert chosen("umbrellas", shown=shown) == "other"


def test_name_instruction_and_demos_stand_in_one_profile() -> None:
    told = profiles(["apple", "boat"], ["apple", "boat"], "apple: red", [])
    shown = profiles(["apple", "boat"], ["apple", "boat"], "apple: red", [("apple", "sweet")])
    assert told.scores("sweet") == [0, 0]
    assert shown.scores("sweet")[0] > 0
    for word in ("apple", "red"):
        assert 0 < shown.scores(word)[0] <= told.scores(word)[0] <= 1


def test_near_labels_are_those_close_to_the_best() -> None:
    profile = profiles(LABELS, LABELS, "card: red green\ntransfer: red\nother: blue", [])
    assert profile.near("red green", 0.2) == ["card", "transfer"]
    assert profile.near("red green", 0.9) == ["card"]
    assert profile.near("nothing known", 0.2) == []


def test_names_are_compared_as_people_write_them() -> None:
    assert plain(" Top-up_by  Card ") == "top up by card"
    assert keyed_lines("x\n- a b: c d\nq") == [("a b", "c d")]
