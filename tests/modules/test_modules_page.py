"""The page on modules: a row for each, with the knobs, ranges and call formula that the module has."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.modules.any_module import any_served, one_of_each
from treadle.compiler.module import Module
from treadle.compiler.signature import Signature
from treadle.modules import Decompose, Route
from treadle.modules.combining import combine_calls

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "modules.md").read_text()


def rows() -> dict[str, list[str]]:
    """What the cells of the first table say, by module."""
    table = PAGE.partition("## Which papers")[0]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines() if line.startswith("| `")]
    return {first.strip("`"): rest for first, *rest in cells}


ROWS = rows()


def calls(value: object) -> int | None:
    """LM calls of what a field holds; an op's are none."""
    return value.lm_calls() if isinstance(value, Module) else 0


def names(module: Module) -> Mapping[str, Any]:
    """What a formula may name: knobs, and LM calls of the modules in fields."""
    found: dict[str, Any] = {"max": max}
    for field in type(module).model_fields:
        value = getattr(module, field)
        if isinstance(value, int) and not isinstance(value, bool):
            found[field] = value
        elif isinstance(value, Module | str):
            found[field] = calls(value)
        elif isinstance(value, Mapping):
            found[field] = [calls(part) for part in value.values()]
        elif isinstance(value, tuple):
            found[field] = len(value)
    if "how" in found:
        count = next(found[name] for name in ("n", "agents", "members") if name in found)
        found["combining"] = combine_calls(count, getattr(module, "how"), getattr(module, "judge"))  # noqa: B009
    if isinstance(module, Route) and module.by is not None:
        found["router"] = 0
    if isinstance(module, Decompose):
        found["worker"] = max(part_calls(module, module.depth), *found["handlers"], 0)
    return found


def part_calls(module: Decompose, depth: int) -> int:
    """LM calls of one part that no handler does: the worker's, or those of splitting it again."""
    worker, splitter = calls(module.worker), calls(module.splitter)
    assert worker is not None
    assert splitter is not None
    if depth == 1:
        return worker
    deeper = max(part_calls(module, depth - 1), *(calls(part) or 0 for part in module.handlers.values()), 0)
    return splitter + module.parts * deeper + worker


def test_every_module_has_a_row() -> None:
    assert sorted(ROWS) == sorted(type(module).__name__ for module in one_of_each())


@pytest.mark.parametrize("module", one_of_each(), ids=lambda module: str(module.name))
def test_a_row_has_the_knobs_and_their_ranges(module: Module) -> None:
    said = ROWS[type(module).__name__][1]
    at = f"s/{module.name}."
    own = [knob for knob in module.knobs("s") if knob.address.startswith(at)]
    for knob in own:
        name = knob.address.removeprefix(at)
        ranged = rf"`{name}` {knob.low:g} to {knob.high:g}(;|$)" if knob.kind == "number" else f"`{name}`"
        assert re.search(ranged, said), f"{type(module).__name__}: {name}"
    assert set(re.findall(r"`(\w+)`", said)) == {knob.address.removeprefix(at) for knob in own}


@given(any_served(1))
def test_the_formula_of_a_row_is_what_the_module_says(served: tuple[Module, Signature]) -> None:
    module, _ = served
    formula = ROWS[type(module).__name__][2].strip("`").replace("×", "*")
    assert eval(formula, {"__builtins__": {}}, dict(names(module))) == module.lm_calls()


def test_all_formulas_are_tried() -> None:
    for module in one_of_each():
        formula = ROWS[type(module).__name__][2].strip("`").replace("×", "*")
        assert eval(formula, {"__builtins__": {}}, dict(names(module))) == module.lm_calls()


def test_settings_name_modules_that_are_there() -> None:
    known = {type(module).__name__ for module in one_of_each()}
    papers = PAGE.partition("## Which papers")[2].partition("## What is a setting of none")[0]
    lines = [line for line in papers.splitlines() if line.startswith("|")][2:]
    assert len(lines) > 20
    for line in lines:
        used = set(re.findall(r"\b([A-Z]\w+)\(|`([A-Z]\w+)`", line.rsplit("|", 2)[1]))
        assert {a or b for a, b in used} <= known, line
        assert used, line


def test_sources_in_the_code_are_on_the_page() -> None:
    for path in (ROOT / "modules").glob("*.py"):
        for paper in re.findall(r"arXiv (\d{4}\.\d{5})", path.read_text()):
            assert paper in PAGE, f"{path.name} cites {paper}"
