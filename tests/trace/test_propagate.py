"""Propagation: the minimal part of a trace, linear and iterative, regions together, control as well as data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import treadle
from treadle.compiler.errors import DataError
from treadle.compiler.trace.propagate import Note, Propagation, notes_of, propagate
from treadle.compiler.trace.trace import Span, Trace


def step(id: int, *sources: int, name: str = "", parent: int = 0, **more: Any) -> Span:
    name = name or f"s{id}"
    more.setdefault("node", f"n{id}")
    return Span(
        id=id, parent=parent, kind="step", name=name, predictor=name, sources=sources,
        parameters=(f"{name}.instruction",), **more,
    )  # fmt: skip


def op(id: int, *sources: int, parent: int = 0, **more: Any) -> Span:
    more.setdefault("node", f"n{id}")
    return Span(id=id, parent=parent, kind="op", name=more.pop("name", f"op{id}"), sources=sources, **more)


def run(*spans: Span, result: tuple[int, ...] = (), error: str = "") -> Trace:
    return Trace(
        program="p", spans=(Span(id=0, parent=None, kind="program", name="p", sources=result, error=error), *spans)
    )


def test_what_does_not_lead_to_the_output_is_left_out() -> None:
    found = propagate(run(step(1), step(2), op(3, 1), result=(3,)), "bad")
    assert found.spans == (0, 1, 3)
    assert found.visited == 3


def test_what_no_parameter_reaches_is_a_given() -> None:
    found = propagate(run(op(1), op(2, 1), step(3, 2), op(4, 3), result=(4,)), "bad")
    assert found.spans == (0, 3, 4)
    assert found.givens == (2,)
    assert [found.span(site.spans[0]).id for site in found.sites] == [2, 3, 4]


def test_a_result_that_depends_on_nothing_has_no_spans() -> None:
    assert propagate(run(step(1), step(2)), "bad").spans == (0,)


def test_only_what_may_change_counts() -> None:
    trace = run(step(1), step(2), op(3, 1, 2), result=(3,))
    assert propagate(trace, "bad", trainable=["s2"]).spans == (0, 2, 3)


def test_a_branch_leads_back_to_what_decided_it() -> None:
    branch = Span(id=2, parent=0, kind="region", name="branch", node="n2", sources=(1,), taken="otherwise")
    found = propagate(run(step(1), branch, step(3, parent=2, controls=(2,)), result=(2, 3)), "bad")
    assert found.spans == (0, 1, 2, 3)
    assert found.reads[3] == (2,)
    assert [site.parent for site in found.sites] == [None, None, 1]


def test_turns_of_a_map_are_one_site_with_its_worst_median_and_best() -> None:
    turns = [step(n, name="s", node="n2", parent=1, indices=(n - 2,), controls=(1,)) for n in range(2, 12)]
    turns[4] = step(6, name="s", node="n2", parent=1, indices=(4,), controls=(1,), error="ValueError: no")
    region = Span(id=1, parent=0, kind="region", name="map", node="n1", taken=10)
    trace = run(region, *turns, op(12, *range(1, 12)), result=(12,))
    found = propagate(trace, [Note(score=0.1, about="s", indices=(7,)), Note(score=0.9, about="s", indices=(1,))])
    [site] = [site for site in found.sites if len(site.spans) == 10]
    shown = found.representatives(site)
    assert [which for which, _ in shown] == ["worst", "median", "best"]
    assert (shown[0][1].indices, shown[2][1].indices) == ((4,), (1,))
    assert found.representatives(site)[0][1].error


def test_a_failure_is_the_output() -> None:
    failed = op(3, 2, error="ValueError: no")
    found = propagate(run(step(1), step(2), failed, error="ValueError: no"), "it failed")
    assert found.spans == (0, 2, 3)


def test_where_reads_are_unknown_everything_counts() -> None:
    found = propagate(run(step(1, node=""), op(2, node=""), step(3, node="")), "bad")
    assert not found.known
    assert {1, 3} <= set(found.spans)


def test_notes_find_their_spans() -> None:
    trace = run(step(1), step(2, 1), result=(2,))
    found = propagate(trace, {"s1": "too long", "s2": 0.5})
    assert [note.text for note in found.notes_about(found.span(1))] == ["too long"]
    assert [note.score for note in found.notes_about(found.span(2))] == [0.5]


@pytest.mark.parametrize("count", [100, 1_000, 10_000])
def test_every_span_is_visited_once_however_long_the_chain(count: int) -> None:
    trace = run(*(step(n, *([n - 1] if n > 1 else [])) for n in range(1, count + 1)), result=(count,))
    found = propagate(trace, "bad")
    assert found.visited == count + 1
    assert len(found.spans) == count + 1


def test_a_wide_fan_is_visited_once_too() -> None:
    """Aggregating over n readers of one value does not grow faster than n."""
    count = 10_000
    fan = [step(n, 1) for n in range(2, count)]
    found = propagate(run(step(1), *fan, op(count, *range(2, count)), result=(count,)), "bad")
    assert found.visited == count + 1
    assert sum(len(reads) for reads in found.reads.values()) == 2 * (count - 2) + 1


def test_deep_nesting_needs_no_recursion() -> None:
    count = 5_000
    nested = [
        Span(id=n, parent=n - 1, kind="region", name="loop", node=f"n{n}", taken=1, controls=(n - 1,) if n > 1 else ())
        for n in range(1, count)
    ]
    found = propagate(run(*nested, step(count, parent=count - 1, controls=(count - 1,)), result=(count,)), "bad")
    assert len(found.sites) == count


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    count = draw(st.integers(1, 25))
    spans = []
    for number in range(1, count + 1):
        sources = draw(st.lists(st.integers(1, number - 1), max_size=3, unique=True)) if number > 1 else []
        spans.append((step if draw(st.booleans()) else op)(number, *sources))
    result = draw(st.lists(st.integers(1, count), min_size=1, max_size=2, unique=True))
    return run(*spans, result=tuple(result))


def _brute(trace: Trace) -> set[int]:
    """Spans on a way from one with parameters to the output, found by definition."""
    back = {0}
    while more := {s for n in back for s in trace.spans[n].sources} - back:
        back |= more
    forward = {span.id for span in trace.spans if span.parameters}
    while more := {s.id for s in trace.spans if s.id and set(s.sources) & forward} - forward:
        forward |= more
    return (back & forward) | {0}


@given(traces())
def test_it_is_the_minimal_part_by_definition(trace: Trace) -> None:
    found: Propagation = propagate(trace, "bad")
    assert set(found.spans) == _brute(trace)


# --- what is said ----------------------------------------------------------------------------------------------------


def test_two_outputs_may_get_different_feedback() -> None:
    notes = notes_of({"team": "wrong", "reply": ["too long", 0.5]})
    assert [(note.about, note.text, note.score) for note in notes] == [
        ("team", "wrong", None), ("reply", "too long", None), ("reply", "", 0.5)
    ]  # fmt: skip


def test_exceptions_and_numbers_are_feedback() -> None:
    assert notes_of(ValueError("no"))[0].text == "ValueError: no"
    assert notes_of(True)[0].score == 1.0
    assert notes_of(None) == notes_of("") == notes_of([]) == ()


@pytest.mark.parametrize(
    "feedback", [object(), {1: "x"}, {"a": object()}, float("nan"), {"a", "b"}, b"bytes", [[object()]]]
)
def test_feedback_of_another_form_is_refused(feedback: Any) -> None:
    with pytest.raises(DataError, match="feedback"):
        notes_of(feedback)


# --- real runs -------------------------------------------------------------------------------------------------------


@treadle.predict
def name(text: str) -> str:
    """Name it."""
    ...


@treadle.program
def names(texts: list[str]) -> list[str]:
    return [name(text) for text in texts]


def test_threads_do_not_mix_records() -> None:
    """Each of 40 runs at once has its own inputs in its own trace."""
    program = names.bind(lm=treadle.Scripted(lambda request: request.messages[-1].content.split("\n")[1]))

    def one(number: int) -> bool:
        given = [f"{number}-{turn}" for turn in range(3)]
        value, trace = program.traced(texts=given)
        return value == given == [span.inputs["text"] for span in trace.of("name")]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(40))) == [True] * 40


def test_the_same_run_gives_the_same_names_again() -> None:
    program = names.bind(lm=treadle.Scripted(lambda request: "x"))
    first, second = (propagate(program.traced(texts=["a", "b"])[1], "bad") for _ in range(2))
    assert [site.key for site in first.sites] == [site.key for site in second.sites]
    assert [span.name for span in first.trace.spans] == [span.name for span in second.trace.spans]
