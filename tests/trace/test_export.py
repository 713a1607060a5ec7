"""Traces as JSON lines: the round trip, keys, and what is refused."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.sketch import Sketch, run
from treadle.compiler.errors import DataError
from treadle.compiler.lm.protocol import Message, Usage
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.trace.export import read_jsonl, trace_from_json, trace_to_json, write_jsonl
from treadle.compiler.trace.trace import Span, Trace
from treadle.compiler.trace.tracer import trace

FULL = Span(
    id=1,
    parent=0,
    kind="lm",
    name="critic",
    predictor="ask",
    node="n3",
    indices=(0, 2),
    inputs={"a": [1, {"b": None}]},
    output={"x": "é\ud800\u0000"},
    error="ValueError: no",
    sources=(0,),
    controls=(0,),
    messages=(Message("system", "s"), Message("user", "u\n<x>")),
    reply="{}",
    repairs=("reask",),
    finish_reason="stop",
    parameters=("ask.demos",),
    asked="openai/m",
    model="m",
    usage=Usage(1, 2),
    cost=0.5,
    started=0.5,
    seconds=1.25,
    cached=True,
    taken="then",
)
TRACE = Trace(program="p", spans=(Span(id=0, parent=None, kind="program", name="p", taken=0), FULL))


def written(*traces: Trace) -> str:
    stream = io.StringIO()
    write_jsonl(traces, stream)
    return stream.getvalue()


def read(text: str) -> list[Trace]:
    return list(read_jsonl(io.StringIO(text)))


def test_every_field_survives_the_round_trip() -> None:
    text = written(TRACE, TRACE)
    assert text.isascii()
    assert text.count("\n") == 2
    assert read(text + "\n") == [TRACE, TRACE]


def test_a_real_trace_survives_it() -> None:
    s = Sketch("xs", predictors={"ask": "text -> reply"})
    graph = s.done(s.map(s["xs"], lambda x: s.step("ask", text=x)))
    with trace() as t:
        run(graph, lm=Scripted(lambda request: "ok"), xs=["a", "b"])
    assert read(written(*t.traces)) == list(t.traces)


def test_numbers_json_does_not_know_become_texts() -> None:
    odd = Trace(program="p", spans=(Span(id=0, parent=None, kind="program", name="p", output=[float("nan"), 1.5]),))
    assert read(written(odd))[0].spans[0].output == ["nan", 1.5]


def test_keys_do_not_get_out(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "correct-horse-battery-staple"
    monkeypatch.setenv("PLANTED_API_KEY", key)
    spans = (
        Span(id=0, parent=None, kind="program", name="p", inputs={key: [key]}, error=f"E: {key}"),
        Span(id=1, parent=0, kind="lm", name="", messages=(Message("user", f"key {key}"),), reply=key),
    )
    text = written(Trace(program="p", spans=spans))
    assert key not in text
    assert text.count("[redacted]") == 5


def change(path: list[Any], value: Any) -> str:
    data: Any = json.loads(json.dumps(trace_to_json(TRACE)))
    place = data
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return json.dumps(data)


SPAN = ["spans", 1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Expecting"),
        ("[]", 'no "format"'),
        ("null", 'no "format"'),
        ('{"format": "treadle/trace", "version": 1, "program": "p", "spans": [NaN]}', "NaN"),
        ("[" * 100_000, "recursion"),
        (change(["version"], 2), "version is '2'"),
        (change(["extra"], 2), "other fields"),
        (change(["program"], 2), r"\$.program: it is not a text"),
        (change(["spans"], []), "not a list of spans"),
        (change(SPAN, 3), r"\$.spans\[1\]: it is not an object"),
        (change([*SPAN, "__class__"], 3), "unknown field '__class__'"),
        (change([*SPAN, "id"], 2), "its id is not its place"),
        (change([*SPAN, "parent"], 1), "its parent does not stand before it"),
        (change([*SPAN, "parent"], None), "its parent does not stand before it"),
        (change(["spans", 0, "parent"], 0), "its parent does not stand before it"),
        (change([*SPAN, "kind"], "root"), "not one of program"),
        (change([*SPAN, "kind"], []), "not one of program"),
        (change([*SPAN, "sources"], [2]), "are not spans"),
        (change([*SPAN, "controls"], [-1]), "are not spans"),
        (change([*SPAN, "sources"], [True]), r"sources\[0\]: it is not a whole number"),
        (change([*SPAN, "indices"], "01"), "indices: it is not a list"),
        (change([*SPAN, "messages"], [["root", "x"]]), "not one of system"),
        (change([*SPAN, "messages"], [["user"]]), "not a pair"),
        (change([*SPAN, "usage"], [1.5, 2]), "not a whole number"),
        (change([*SPAN, "cost"], "1"), "not a number"),
        (change([*SPAN, "seconds"], 10**400), "too large"),
        (change([*SPAN, "cached"], 1), "not true or false"),
        (change([*SPAN, "taken"], 1.5), "not a whole number"),
        (change([*SPAN, "inputs"], []), "inputs: it is not an object"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_line(line: str, message: str) -> None:
    with pytest.raises(DataError, match=f"line 2 is not a trace: .*{message}"):
        read(f"\n{line}\n")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=3), VALUES)
def test_no_mutation_gets_through_as_anything_but_a_trace_or_an_error(steps: list[int], value: Any) -> None:
    data: Any = json.loads(json.dumps(trace_to_json(TRACE)))
    place = data
    for step in steps[:-1]:
        if not isinstance(place, dict | list) or not place:
            break
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        inner = place[keys[step % len(keys)]]
        if not isinstance(inner, dict | list) or not inner:
            break
        place = inner
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    place[keys[steps[-1] % len(keys)]] = value
    try:
        (found,) = read(json.dumps(data))
    except DataError:
        return
    assert isinstance(found, Trace)
    assert read(written(found))[0].program == found.program


def test_a_trace_is_read_back_as_it_was_down_to_the_order_of_its_inputs() -> None:
    read = trace_from_json(json.loads(json.dumps(trace_to_json(TRACE))))
    assert read == TRACE
    assert [list(span.inputs) for span in read.spans] == [list(span.inputs) for span in TRACE.spans]
