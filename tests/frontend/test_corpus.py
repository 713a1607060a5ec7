"""Programs as people write them: how each is captured, that all run, and that graph and function do the same."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.frontend.by_step import ByStep
from treadle.compiler.frontend.compare import check
from treadle.compiler.frontend.program import Program

CORPUS = Path(__file__).parent.parent / "corpus"
FILES = sorted(path for path in CORPUS.glob("*.py") if path.name != "__init__.py")
FEWEST_GRAPHS = 20


@dataclasses.dataclass(frozen=True)
class Case:
    """One file of the corpus."""

    path: Path
    module: ModuleType

    @property
    def program(self) -> Program[..., Any]:
        program: Program[..., Any] = self.module.PROGRAM
        return program

    @property
    def marked(self) -> set[int]:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return {number for number, line in enumerate(lines, 1) if re.search(r"# host: \w+$", line)}


def load(path: Path) -> Case:
    name = f"tests.corpus.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return Case(path, module)


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    found = load(request.param)
    yield found
    sys.modules.pop(found.module.__name__, None)


def test_there_are_thirty_programs_and_most_are_graphs() -> None:
    found = [str(load(path).program.capture.mode) for path in FILES]
    assert len(found) == 30
    assert found.count("graph") >= FEWEST_GRAPHS


def test_a_program_is_captured_as_its_file_says(case: Case) -> None:
    capture = case.program.check()
    assert capture == case.module.EXPECT, str(capture)


def test_every_line_that_keeps_a_program_in_host_mode_is_reported(case: Case) -> None:
    reported = {reason.line for reason in case.program.capture.reasons}
    assert case.marked <= reported, str(case.program.capture)
    assert bool(case.marked) == bool(reported)


def test_a_program_runs(case: Case) -> None:
    for example in case.module.EXAMPLES:
        first = case.program.bind(lm=ByStep(case.program, case.module.answer)).batch([example])
        again = case.program.bind(lm=ByStep(case.program, case.module.answer)).batch([example])
        assert first == again


def test_graph_and_function_do_the_same(case: Case) -> None:
    lm = ByStep(case.program, case.module.answer)
    stubs = {op.name: op.function for op in case.program.ops.values()}
    found = check(case.program, case.module.EXAMPLES, lm=lm, stubs=stubs)
    assert found, str(found)
