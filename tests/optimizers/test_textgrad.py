"""Textual gradients: the contract of every optimizer, one call an edge, criticism that goes where it belongs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import treadle
from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.trace_programs import LIMITS, asks, five_steps, search
from tests.worlds.traces import FiveSteps
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.lm.protocol import Request
from treadle.optimizers.textgrad import TextGrad


class TestTextGrad(OptimizerConformance):
    optimizer = TextGrad(rounds=3)  # in more it has nothing left to learn, and spends less than planned


limit = treadle.Parameter("limit", 3, low=1, high=9)


@treadle.predict
def draft(ticket: str) -> str:
    """Draft."""
    ...


@treadle.predict
def polish(text: str) -> str:
    """Polish."""
    ...


@treadle.op(trainable=True)
def trim(text: str, most: int) -> str:
    """At most so many words."""
    return " ".join(text.split()[:most])


@treadle.program
def graph(ticket: str) -> str:
    return polish(trim(draft(ticket), limit()))


@treadle.program
def host(ticket: str) -> str:
    while True:
        return polish(trim(draft(ticket), limit()))


class Model:
    """Notes what it is asked; criticises by name, and gives every variable a fixed new value."""

    def __init__(self, **values: Any) -> None:
        self.values = values
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: Request) -> str:
        fields = dict(re.findall(r"<(\w+)>\n(.*?)\n</\1>", request.messages[-1].content, re.DOTALL))
        if "about" in fields:
            self.asked.append(fields)
            return f"criticism of {fields['step'].partition(':')[0]} / {fields['about'][:30]}"
        if "criticisms" in fields:
            self.asked.append(fields)
            name = fields["variable"].partition(":")[0]
            value = self.values[name]
            return value if isinstance(value, str) else json.dumps({"value": value})
        return "one two three four"


def round_of(program: Any, model: Model, examples: int = 1) -> Any:
    lm = treadle.Scripted(model)
    optimizer = TextGrad(examples=examples).on(program.bind(lm=lm, executor=LIMITS), lm=lm)
    traces = [optimizer.program.traced(ticket=f"q{n}")[1] for n in range(2)]
    return optimizer.propose(traces, [[0.0, "too long"], [1.0, "fine"]])


VALUES = {
    "draft_instruction": "Draft it.", "polish_instruction": "Polish it.", "limit": 2,
    "trim": "def trim(text, most):\n    return text",
}  # fmt: skip


def test_each_edge_is_asked_once_and_ops_pass_criticism_on() -> None:
    model = Model(**VALUES)
    proposal = round_of(graph, model)
    about = [(f["step"].partition(":")[0], f["about"]) for f in model.asked if "about" in f]
    assert [(step, text.partition(":")[0]) for step, text in about] == [
        ("polish", "the input that trim gave"),
        ("polish", "variable polish_demos"),
        ("draft", "variable draft_demos"),
    ]
    rewritten = {f["variable"].partition(":")[0]: json.loads(f["criticisms"]) for f in model.asked if "criticisms" in f}
    assert rewritten["trim"] == rewritten["limit"] == ["criticism of polish / the input that trim gave"]
    assert len(rewritten["draft_instruction"]) == 1  # not added up twice
    assert proposal.usable[0].changes == VALUES


def test_the_feedback_of_a_step_is_what_came_back_to_it() -> None:
    model = Model(**VALUES)
    round_of(graph, model)
    seen = {f["step"].partition(":")[0]: f["feedback"] for f in model.asked if "about" in f}
    assert seen["polish"] == "score 0\ntoo long"
    assert seen["draft"] == "criticism of polish / the input that trim gave"


def test_only_the_worst_runs_are_gone_through() -> None:
    model = Model(**VALUES)
    round_of(graph, model, examples=2)
    assert sum("about" in fields for fields in model.asked) == 2 * 3
    assert any("fine" in fields.get("feedback", "") for fields in model.asked)


def test_without_known_reads_it_goes_back_in_the_order_of_the_run() -> None:
    model = Model(**VALUES)
    proposal = round_of(host, model)
    assert set(proposal.usable[0].changes) == set(VALUES)


def test_a_value_that_does_not_fit_is_a_rejection() -> None:
    proposal = round_of(graph, Model(**{**VALUES, "trim": "def cut(text):\n    return text"}))
    assert not proposal.usable
    assert "does not define the function 'trim'" in proposal.rejected
    proposal = round_of(graph, Model(**{**VALUES, "limit": 99}))
    assert "limit" not in proposal.usable[0].changes  # asked again in vain, and left as it is


def test_it_takes_many_times_the_calls_of_one() -> None:
    world = FiveSteps(1)
    program, rows, metric = five_steps(world)
    criticised = 0

    def answer(request: Request) -> Any:
        nonlocal criticised
        if "<about>" in request.messages[-1].content or "<criticisms>" in request.messages[-1].content:
            criticised += 1
            return "be strict"
        return asks(world)(request)

    search(program, rows[:10], metric, answer, TextGrad(rounds=1, batch=3, examples=3))
    assert criticised == 3 * (2 * 5 - 1) + 5


@pytest.mark.parametrize("field", ["rounds", "batch", "examples"])
def test_impossible_settings_are_refused(field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        TextGrad(**{field: 0})  # type: ignore[arg-type]  # the field decides the type
