from hypothesis import given
from hypothesis import strategies as st

from tests.lm.offline_prompts import answer
from treadle.compiler.hints import from_string
from treadle.compiler.lm.offline_text import all_spans, origin, spans_of
from treadle.compiler.prompt.demo import Demo

RULES = ["Refunds take ten days; cards five.", "Broken parcels are replaced at once.", "Passwords are reset by mail."]
REPLY = from_string("ticket, rules: list[str] -> reply")


def kinds(field: str, text: str) -> dict[str, str]:
    return {span.text: span.kind for span in spans_of(field, text)}


def test_a_text_has_sentences_and_clauses() -> None:
    assert kinds("a", "One, two. Three!") == {
        "One, two. Three!": "whole",
        "One, two.": "sentence",
        "One": "clause",
        "two.": "clause",
        "Three!": "sentence",
    }


def test_a_list_has_items_and_their_parts() -> None:
    assert kinds("a", '["x: y", {"k": "z"}]') == {"x: y": "item", "x": "clause", "y": "clause", "z": "item"}
    assert kinds("a", "[not json") == {"[not json": "whole"}
    assert kinds("a", "7") == {"7": "whole"}


@given(st.dictionaries(st.sampled_from("ab"), st.text(max_size=80)))
def test_a_span_stands_in_its_field_as_it_is(inputs: dict[str, str]) -> None:
    for span in all_spans(inputs):
        assert origin(inputs, span.text) is not None
        assert span.text == span.text.strip()


def test_the_answer_is_the_span_that_is_most_like_the_other_inputs() -> None:
    assert answer(REPLY, {"ticket": "my parcel came broken", "rules": RULES}) == RULES[1]
    assert answer(REPLY, {"ticket": "I forgot my password", "rules": RULES}) == RULES[2]


def test_an_instruction_can_say_where_answers_stand() -> None:
    inputs = {"ticket": "Hello. Broken parcels are bad. Bye.", "rules": ["Broken."]}
    for words, wanted in (("one sentence of `ticket`", "Broken parcels are bad."), ("one item of rules", "Broken.")):
        assert answer(REPLY.with_instruction(f"Answer with {words}, copied exactly."), inputs) == wanted


def test_an_instruction_can_say_what_a_value_of_another_input_stands_for() -> None:
    signature = from_string("team, rules: list[str] -> reply", instruction="Q1: passwords\nQ2: refunds of money")
    assert answer(signature, {"team": "Q1", "rules": RULES}) == RULES[2]
    assert answer(signature, {"team": "Q2", "rules": RULES}) == "Refunds take ten days"


def test_an_instruction_can_say_what_an_answer_is_good_for() -> None:
    ticket = {"ticket": "the bell rattles", "rules": RULES}
    assert (
        answer(REPLY.with_instruction("Answer with an item of rules.\n- broken parcels: bell, horn"), ticket)
        == RULES[1]
    )
    assert (
        answer(REPLY.with_instruction("Answer with an item of rules.\n- refunds cards: bell, horn"), ticket) == RULES[0]
    )


def test_demos_teach_where_answers_stand_and_what_they_answer() -> None:
    demo = Demo(inputs={"ticket": "Hi. The bell rattles. Bye.", "rules": RULES}, outputs={"reply": RULES[2]})
    inputs = {"ticket": "Good morning. My bell is silent, no rattling.", "rules": RULES}
    assert answer(REPLY, inputs, [demo]) == RULES[2]


def test_the_only_input_answers_by_the_name_of_the_output() -> None:
    signature = from_string("text -> price")
    assert answer(signature, {"text": "It is red. The price is 5 euros. It rolls."}) == "The price is 5 euros."


def test_without_inputs_the_answer_is_empty() -> None:
    assert answer(from_string("-> idea"), {}) in ("", "(no inputs)")
