import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.lm.offline_words import Noise, Rarity, cosine, fraction, stem, stems, surfaces


@pytest.mark.parametrize(
    "forms",
    [
        ("charge", "charges", "charged", "charging"),
        ("transfer", "transfers"),
        ("refund", "refunds", "refunded", "refunding"),
        ("payment", "payments"),
        ("carry", "carries", "carried"),
    ],
)
def test_forms_of_a_word_have_one_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


def test_stop_words_and_contractions_say_nothing() -> None:
    assert stems("I haven't got it, and I’m still waiting; what's up?") == ("wait",)
    assert stems("top_up a-card") == ("top", "card")


def test_surfaces_keep_their_apostrophes() -> None:
    assert [form for _, form in surfaces("The child's Bikes don’t fit")] == ["child's", "bikes", "fit"]


def passages_of(words: str) -> st.SearchStrategy[list[list[str]]]:
    return st.lists(st.lists(st.sampled_from(words), max_size=5), max_size=6)


@given(passages_of("abcdef"), st.lists(st.sampled_from("abcdefgh"), max_size=8))
def test_vectors_have_length_one_or_none(passages: list[list[str]], words: list[str]) -> None:
    rarity = Rarity(passages)
    vector = rarity.vector(dict.fromkeys(words, 1))
    assert not vector or math.isclose(cosine(vector, vector), 1.0)
    assert all(word in {w for passage in passages for w in passage} for word in vector)


@given(passages_of("abcd"), passages_of("abcd"))
def test_a_base_counts_as_if_its_passages_were_given_too(base: list[list[str]], more: list[list[str]]) -> None:
    together, apart = Rarity([*base, *more]), Rarity(more, base=Rarity(base))
    assert [together.weight(word) for word in "abcde"] == [apart.weight(word) for word in "abcde"]


def test_a_rare_word_weighs_more() -> None:
    rarity = Rarity([["a", "b"], ["a"], ["a"]])
    assert rarity.weight("b") > rarity.weight("a") >= 1 > rarity.weight("c") == 0


def test_noise_is_seeded_and_absent_at_temperature_zero() -> None:
    assert Noise("k", 0.0).on("a") == 0.0
    assert Noise("k", 1.0).on("a") == Noise("k", 1.0).on("a") != Noise("j", 1.0).on("a")
    drawn = [Noise(str(n), 1.0).on("a") for n in range(2000)]
    assert abs(sum(drawn) / 2000 - 0.08 * 0.5772) < 0.008
    assert Noise("k", 2.0).on("a") == pytest.approx(2 * Noise("k", 1.0).on("a"))


def test_a_fraction_depends_on_every_part_and_its_place() -> None:
    assert 0 <= fraction("a", "b") < 1
    assert len({fraction("a", "b"), fraction("b", "a"), fraction("ab"), fraction("a", "b", "")}) == 4
    assert fraction("\ud83d") >= 0
