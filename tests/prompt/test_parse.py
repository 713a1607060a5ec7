import json
import math
from typing import Any, Literal

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.prompt.cases import CASES, Address, Customer, Reply, Team, case
from treadle.compiler.errors import ReplyError
from treadle.compiler.hints import from_string
from treadle.compiler.lm.protocol import Message
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.parse import MAX_DEPTH, MAX_REPLY, parse, reask
from treadle.compiler.prompt.render import render
from treadle.compiler.signature import Signature

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ADDRESSES = st.builds(Address, street=TEXT, city=TEXT)
VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(10**20), 10**20)),
    (float, FLOATS),
    (bool, st.booleans()),
    (Literal["a", "b c", "é"], st.sampled_from(["a", "b c", "é"])),
    (Team, st.sampled_from(list(Team))),
    (Customer, st.builds(Customer, name=TEXT, address=st.none() | ADDRESSES)),
    (Reply, st.builds(Reply, greeting=TEXT, tone=st.sampled_from(["warm", "plain"]))),
    (list[str], st.lists(TEXT)),
    (list[Address], st.lists(ADDRESSES, max_size=3)),
    (dict[str, list[float]], st.dictionaries(TEXT, st.lists(FLOATS, max_size=3), max_size=3)),
    (int | None, st.none() | st.integers(0, 9)),
    (str | None, st.none() | TEXT),
    (tuple[int, str], st.tuples(st.integers(0, 9), TEXT)),
]


def as_reply(signature: Signature, outputs: dict[str, Any]) -> str:
    """The reply a demo shows for the outputs."""
    dumped = {slot.name: slot.dump(outputs[slot.name]) for slot in signature.outputs}
    return render(signature, [Demo(inputs={}, outputs=dumped)], {})[2].content


@pytest.mark.parametrize(("annotation", "values"), VALUES, ids=lambda part: str(part)[:30])
def test_what_a_demo_shows_is_what_the_parser_reads(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    signature = case(annotation).signature

    @given(values)
    def round_trip(value: Any) -> None:
        assert parse(signature, as_reply(signature, {"answer": value})) == value

    round_trip()


@given(TEXT, st.integers(), st.lists(st.booleans()))
def test_several_outputs_come_back_as_one_frozen_value(text: str, number: int, flags: list[bool]) -> None:
    signature = from_string("q -> copy, fields: int, config: list[bool]")
    value = parse(signature, as_reply(signature, {"copy": text, "fields": number, "config": flags}))
    assert (value.copy, value.fields, value.config) == (text, number, flags)
    with pytest.raises(pydantic.ValidationError):
        value.fields = 1


@given(TEXT)
def test_text_is_taken_as_it_is_without_the_space_around_it(text: str) -> None:
    assert parse(CASES["str"].signature, f"\n {text} ") == text.strip()


def test_constraints_on_text_are_enforced() -> None:
    with pytest.raises(ReplyError, match=r"'answer' is .*at most 80 characters"):
        parse(CASES["str_constrained"].signature, "x" * 81)


@pytest.mark.parametrize("fence", ["```json\n{}\n```", "```\n{}\n```", " \n```JSON\n\n{}```\n"])
def test_one_fenced_block_may_stand_around_the_document(fence: str) -> None:
    assert parse(CASES["int"].signature, fence.replace("{}", '{"answer": 3}')) == 3


REFUSED = {
    "plain words": ("three", "not one JSON document"),
    "the bare value": ("3", "the reply is a number, 3; wanted an object"),
    "a bare string": ('"3"', "the reply is text, '3'; wanted an object {\"answer\": integer}"),
    "null": ("null", "the reply is null"),
    "cut": ('{"answer": 3', "not one JSON document"),
    "cut in a fence": ('```json\n{"answer": 3', "not one JSON document"),
    "prose around it": ('Sure: {"answer": 3}', "not one JSON document"),
    "two documents": ('{"answer": 3}\n{"answer": 4}', "not one JSON document"),
    "two fences": ('```\n{"answer": 3}\n```\n```\n{"answer": 4}\n```', "not one JSON document"),
    "single quotes": ("{'answer': 3}", "not one JSON document"),
    "empty": ("", "not one JSON document"),
    "a duplicate": ('{"answer": 3, "answer": 3}', "the key 'answer' stands twice"),
    "NaN": ('{"answer": NaN}', "NaN is not a JSON number"),
    "infinity": ('{"answer": -Infinity}', "-Infinity is not a JSON number"),
    "overflow": ('{"answer": 1e999}', "the number 1e999 is too large"),
    "5,000 digits": (f'{{"answer": {"9" * 5000}}}', "not strict JSON"),
    "missing": ('{"result": 3}', "'answer' is missing; the reply has 'result'"),
    "too much": ('{"answer": 3, "why": ""}', "field 'why' was not asked for"),
    "wrong type": ('{"answer": "three"}', "field 'answer' is 'three': .*wanted integer"),
    "deep": (f'{{"answer": {"[" * MAX_DEPTH}{"]" * MAX_DEPTH}}}', f"more than {MAX_DEPTH} deep"),
    "very deep": ("[" * 100_000, f"more than {MAX_DEPTH} deep"),
    "huge": ("9" * (MAX_REPLY + 1), "1,000,001 characters"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_reply_that_is_not_strict_json_of_the_form_is_refused(name: str) -> None:
    reply, message = REFUSED[name]
    with pytest.raises(ReplyError, match=message) as caught:
        parse(CASES["int"].signature, reply)
    assert caught.value.reply == reply[:2000]
    assert len(str(caught.value)) < 500


def test_many_brackets_that_do_not_nest_are_read() -> None:
    rows = [["[[", i] for i in range(100)]
    assert parse(case(list[Any]).signature, json.dumps({"answer": rows})) == rows


def test_an_open_string_of_many_quotes_is_refused_without_going_over_it_again_and_again() -> None:
    with pytest.raises(ReplyError):
        parse(CASES["int"].signature, "[" * 64 + "]" * 64 + "[" + '"' + '\\"' * 400_000)


def test_errors_name_the_path_inside_the_value() -> None:
    with pytest.raises(ReplyError, match=r"field 'address\.city' is 5: Input should be a valid string"):
        parse(CASES["model"].signature, '{"name": "a", "address": {"street": "b", "city": 5}}')
    with pytest.raises(ReplyError, match=r"field 'answer\.1' is 5"):
        parse(CASES["list"].signature, '{"answer": ["a", 5]}')
    with pytest.raises(ReplyError, match="field 'urgent' is 'soon'"):
        parse(CASES["several"].signature, '{"triage": "billing", "urgent": "soon"}')
    with pytest.raises(ReplyError, match=r"field 'answer' is 'sales'.*wanted one of \"billing\", \"shipping\""):
        parse(CASES["literal"].signature, '{"answer": "sales"}')


def test_nan_in_a_string_does_not_become_a_number() -> None:
    with pytest.raises(ReplyError, match=r"'answer' holds NaN"):
        parse(CASES["float"].signature, '{"answer": "nan"}')
    with pytest.raises(ReplyError, match=r"'x\.1' holds NaN"):
        parse(case(dict[str, list[float]]).signature, '{"x": [1, "inf"]}')
    assert math.isclose(parse(CASES["float"].signature, '{"answer": 1.5}'), 1.5)


def test_the_words_nan_and_inf_are_fine_as_text() -> None:
    assert parse(CASES["list"].signature, '{"answer": ["nan", "information"]}') == ["nan", "information"]


def test_the_re_ask_quotes_the_reply_and_the_error() -> None:
    chat = (Message("user", "q"),)
    again = reask(chat, "bad " * 5000, ReplyError("field 'answer' is 'three'"))
    assert again[0] == chat[0]
    assert [message.role for message in again[1:]] == ["assistant", "user"]
    assert len(again[1].content) <= 4001
    assert "field 'answer' is 'three'" in again[2].content
