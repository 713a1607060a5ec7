"""The pages on methods: a table with a row and a page for every optimizer; its costs are what the optimizers plan."""

import dataclasses
import math
import re
from pathlib import Path

import pytest

import treadle
from treadle.compiler.study.optimizer import Shape
from treadle.optimizers.rungs import planned_runs

METHODS = Path(__file__).parent.parent / "docs" / "methods"

COLUMNS = ("method", "what it changes", "what it needs", "runs of the program", "LM calls beside them", "source")

IN_WORDS: frozenset[str] = frozenset({"mass"})
"""Methods whose cost depends on more than the letters of the table; their rows say it in words."""

EXAMPLES = {"optoprime": "../how-to/tune-code-and-prompts.md"}
"""Methods whose example stands in another page than their own."""

SHAPES = [
    Shape(predictors=1, calls_per_run=1.0, feedback=20, select=40, cross_fitted=True),
    Shape(predictors=3, calls_per_run=4.0, feedback=10, select=20, cross_fitted=True),
    Shape(predictors=2, calls_per_run=2.5, feedback=400, select=300, cross_fitted=False),
]


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    page: str
    changes: str
    needs: str
    runs: str
    calls: str
    source: str


def table() -> tuple[list[str], list[Row]]:
    lines = [line for line in (METHODS / "index.md").read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    found = [(re.fullmatch(r"\[`(\w+)`\]\((\w+\.md)\)", first), rest) for first, *rest in cells[2:]]
    return cells[0], [Row(named[1], named[2], *rest) for named, rest in found if named]


HEAD, ROWS = table()


def worked_out(formula: str, shape: Shape) -> float:
    """The number a cell of the table means."""
    if formula == "none":
        return 0
    known = {
        "P": shape.predictors,
        "F": shape.feedback,
        "S": shape.select,
        "T": lambda count: planned_runs(shape, int(count)),
        "races": 0 if shape.cross_fitted else 9,
        "min": min,
        "max": max,
        "log2": math.log2,
    }
    return float(eval(formula.strip("`").replace("×", "*").replace("÷", "/"), {"__builtins__": {}}, known))


def test_every_optimizer_has_a_row_and_a_page_with_an_example_and_its_source() -> None:
    assert tuple(HEAD) == COLUMNS
    assert [row.name for row in ROWS] == list(dict.fromkeys(row.name for row in ROWS))
    assert set(treadle.OPTIMIZERS) == {row.name for row in ROWS}
    for row in ROWS:
        assert all((row.changes, row.needs, row.runs, row.calls, row.source)), row
        page = (METHODS / row.page).read_text()
        assert "**Source" in page, row.page
        assert f"optimizers/{treadle.OPTIMIZERS[row.name][0]}.py" in page, row.page
        assert re.search(r"^#+ .*depart|\*\*Departures\*\*", page, re.MULTILINE), row.page


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.name))
def test_a_method_has_an_example_that_runs(row: Row) -> None:
    page = (METHODS / EXAMPLES.get(row.name, row.page)).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    code = "\n".join(block for block in blocks if "treadle.compile(" in block)
    kind = treadle.OPTIMIZERS[row.name][1]
    assert f'"{row.name}"' in code or f"{kind}(" in code


@pytest.mark.parametrize("shape", SHAPES, ids=["small", "smaller", "large"])
@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in IN_WORDS], ids=lambda row: str(row.name))
def test_the_costs_of_the_table_are_what_is_planned(row: Row, shape: Shape) -> None:
    plan = treadle.optimizer_named(row.name).plan(shape)
    assert plan["task"] == round(shape.calls_per_run * worked_out(row.runs, shape))
    assert plan.get("proposer", 0) == round(worked_out(row.calls, shape))


def test_rows_in_words_hold_no_formula() -> None:
    assert {row.name for row in ROWS if "`" not in row.runs} == IN_WORDS
