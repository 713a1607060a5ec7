"""compile(models=…): each step's model is searched, and the report says what each brought and cost."""

import json
from typing import Any, Literal

import pytest

import treadle
from treadle.compiler.lm.protocol import Request


@treadle.predict
def sort(text: str) -> Literal["even", "odd"]:
    """Say whether the number is even."""
    ...


@treadle.predict
def shout(word: str) -> str:
    """Say it louder."""
    ...


@treadle.program
def sorted_loudly(text: str) -> str:
    return shout(sort(text))


ROWS = [{"text": f"number {n}", "right": ("EVEN", "ODD")[n % 2]} for n in range(40)]


def metric(example: dict[str, Any], prediction: str) -> float:
    return float(prediction == example["right"])


def weak(request: Request) -> str:
    """Always even; cannot shout."""
    asked = request.messages[-1].content
    return json.dumps({"sort": "even"}) if "number" in asked else asked.lower()


def strong(request: Request) -> str:
    """Right, and loud; writes no instructions."""
    asked = request.messages[-1].content
    if "number" in asked and request.schema is not None:
        return json.dumps({"sort": ("even", "odd")[int(asked.split("number ")[1].split()[0]) % 2]})
    return "ODD" if "odd" in asked else "EVEN"


def lms() -> tuple[treadle.LM, treadle.LM]:
    return (
        treadle.Scripted(weak, model="weak", price=(0.1, 0.1)),
        treadle.Scripted(strong, model="strong", price=(10, 10)),
    )


def compiled(optimizer: str, **more: Any) -> treadle.Compiled[..., Any]:
    cheap, dear = lms()
    how: dict[str, Any] = {"lm": cheap, "models": [dear], "study": None, "events": None, **more}
    return treadle.compile(sorted_loudly, ROWS, metric, optimizer=optimizer, **how)


@pytest.mark.parametrize("optimizer", ["mipro", "auto"])
def test_each_steps_model_is_found(optimizer: str) -> None:
    result = compiled(optimizer)
    assert {"sort.model": "strong", "shout.model": "strong"}.items() <= result.winner.candidate.values.items()
    assert result(text="number 7") == "ODD"


def test_the_report_gives_score_and_cost_of_each_model() -> None:
    report = compiled("mipro").report
    (effect,) = [effect for effect in report.importance if effect.address == "sort.model"]
    by_model = {option.text: option for option in effect.options}
    dear = by_model[next(text for text in by_model if "strong" in text)]
    other = next(option for option in effect.options if option is not dear)
    assert dear.gain > other.gain
    assert dear.usd is not None
    assert other.usd is not None
    assert dear.usd > other.usd
    assert "mean gain by sort.model" in str(report)
    assert "strong" in str(report)


def test_a_loaded_program_binds_the_model_by_name() -> None:
    text = treadle.dumps(compiled("mipro").winner)
    loaded = treadle.loads(text, lm={lm.model: lm for lm in lms()})
    assert loaded(text="number 3") == "ODD"


def test_an_optimizer_that_tries_no_model_is_told_of() -> None:
    report = compiled("bootstrap").report
    assert any("tried none" in warning for warning in report.warnings)


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(treadle.DataError, match="strong more than once"):
        compiled("mipro", models=[lms()[1], lms()[1]])


def test_without_models_the_model_is_left_as_it_is() -> None:
    result = compiled("mipro", models=())
    assert not [a for c in result.report.candidates for a in c.changed if a.endswith(".model")]
