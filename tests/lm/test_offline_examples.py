import json
from collections.abc import Callable

import pytest

from treadle.compiler.lm.offline_examples import find_examples, records

ROWS = [("card is late", "A"), ("card came", "A"), ("pay me back", "B"), ("pay twice", "B")]

FORMS: dict[str, Callable[[], str]] = {
    "a list of objects": lambda: json.dumps([{"text": t, "category": c} for t, c in ROWS]),
    "inputs and outputs": lambda: json.dumps([{"inputs": {"text": t}, "outputs": {"team": c}} for t, c in ROWS]),
    "an output beside inputs": lambda: json.dumps([{"inputs": {"text": t}, "output": c} for t, c in ROWS]),
    "answer first": lambda: json.dumps([{"expected": c, "text": t} for t, c in ROWS]),
    "an object around the list": lambda: json.dumps(
        {"note": "look", "rows": [{"text": t, "team": c} for t, c in ROWS]}
    ),
    "pairs": lambda: json.dumps(ROWS),
    "prose around JSON": lambda: (
        f"Here [as agreed] are rows:\n{json.dumps([{'t': t, 'team': c} for t, c in ROWS])}\nEnjoy."
    ),
    "JSON lines": lambda: "\n".join(json.dumps({"text": t, "team": c}) for t, c in ROWS),
    "texts in a list": lambda: json.dumps([f"ticket: {t}\nteam: {c}" for t, c in ROWS]),
    "arrows in a list": lambda: json.dumps([f"{t} -> {c}" for t, c in ROWS]),
    "key and value": lambda: "Cases:\n" + "\n\n".join(f"Ticket: {t}\nTeam: {c}" for t, c in ROWS),
    "question and answer": lambda: "\n".join(f"Q: {t}\nA: {c}" for t, c in ROWS),
    "numbered": lambda: "\n".join(f"{n}. Message: {t}\n   Label = {c}" for n, (t, c) in enumerate(ROWS)),
    "arrows": lambda: "\n".join(f"- {t} => {c}" for t, c in ROWS),
    "a table": lambda: "\n".join(f"{t}\t{c}" for t, c in ROWS),
    "tags": lambda: "\n".join(f"<ticket>\n{t}\n</ticket><team>{c}</team>" for t, c in ROWS),
}


@pytest.mark.parametrize("form", FORMS)
def test_examples_are_found_in_whatever_form(form: str) -> None:
    found = find_examples(["unrelated: prose.", FORMS[form]()])
    assert found is not None
    assert [("\n".join(given.values()), answer) for given, answer in found.rows] == ROWS
    assert found.labels


def test_prose_has_no_examples() -> None:
    for text in ("", "Hello there.\nNote: read this.", "[1, 2", '{"a": 1}', "[]", "null", "[[[]]]", '["a", "b"]'):
        assert find_examples([text]) is None


def test_the_answer_is_told_by_its_values_where_no_name_says_it() -> None:
    rows = [{"id": str(n), "text": f"text number {n}", "team": "AB"[n % 2], "score": f"0.{n}"} for n in range(8)]
    found = find_examples([json.dumps(rows)])
    assert found is not None
    assert found.answer == "team"


def test_long_answers_are_no_labels() -> None:
    rows = [{"inputs": {"q": f"q{n}"}, "outputs": {"a": f"a long answer with many words {n}"}} for n in range(4)]
    found = find_examples([json.dumps(rows)])
    assert found is not None
    assert not found.labels


def test_named_answers_come_before_larger_sets() -> None:
    steps = "\n".join(f"step {n} -> step {n + 1}" for n in range(30))
    found = find_examples([steps, FORMS["an output beside inputs"]()])
    assert found is not None
    assert len(found.rows) == len(ROWS)


def test_deep_and_large_texts_do_no_harm() -> None:
    assert records("[" * 50_000) == []
    assert records("{" * 50_000) == []
    assert records("a: b " * 20_000) == []
