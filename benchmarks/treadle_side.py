"""Treadle's side of the benchmarks, in a process of its own: see ``measuring.side``.

Prints ``cpu`` and ``wall`` in seconds a step.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import treadle
from benchmarks.measuring import Figures, arguments
from benchmarks.replies import of_text
from benchmarks.shapes import CALLS, SHAPES, metric, rows
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.data import load_data
from treadle.compiler.study.opening import identity_of, splits_for_evaluation
from treadle.compiler.study.program_runner import ProgramRunner
from treadle.compiler.study.study import open_study

Row = dict[str, str]


def timed(action: Callable[[], object], steps: int) -> Figures:
    """Run it once."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return {"cpu": (time.process_time() - cpu) / steps, "wall": (time.perf_counter() - wall) / steps}


def evaluate(shape: str, data: list[Row], lm: treadle.LM, folder: Path | None, concurrency: int) -> None:
    """An evaluation: with store and traces in a folder, or with neither."""
    traces = folder is not None
    found = treadle.evaluate(SHAPES[shape], data, metric, lm=lm, study=folder, traces=traces, concurrency=concurrency)
    assert found.score == 1.0, found


def evaluated(shape: str, data: list[Row], lm: treadle.LM, folder: Path | None, concurrency: int) -> Figures:
    """CPU and wall of an evaluation, after a small one that imports and captures."""
    evaluate(shape, rows(16, tag="warm"), lm, folder and folder / "warm", concurrency)
    study = folder and folder / "study"
    return timed(lambda: evaluate(shape, data, lm, study, concurrency), len(data) * CALLS[shape])


def from_store(shape: str, given: list[Row], lm: treadle.LM, folder: Path) -> Figures:
    """An evaluation whose replies are all stored, and none of its scores: of a candidate that asks the same."""
    program = SHAPES[shape]
    data = load_data(given, program.inputs)
    said = {f"{name}.instruction": step.signature.instruction for name, step in program.predictors.items()}
    identity = identity_of(program, metric, lm, data=data.hash, purpose="benchmark")
    with open_study(
        program=program,
        runner=ProgramRunner(program, lm=lm),
        data=data,
        splits=splits_for_evaluation(data),
        metric=metric,
        identity=identity,
        folder=folder,
    ) as study:
        study.evaluate([program.candidate], data.ids, traces=True)
        before = study.spend.attempts
        figures = timed(
            lambda: study.evaluate([Candidate(values=said)], data.ids, traces=True), len(data) * CALLS[shape]
        )
        assert study.spend.attempts == before, "a call was sent"
    return figures


def called(shape: str, data: list[Row], lm: treadle.LM, concurrency: int) -> Figures:
    """``program.batch``: nothing stored, nothing scored."""
    program = SHAPES[shape].bind(lm=lm)
    program.batch(rows(16, tag="warm"), concurrency=concurrency)
    return timed(lambda: program.batch(data, concurrency=concurrency), len(data) * CALLS[shape])


def main() -> None:
    """Do what the first argument says."""
    given = arguments()
    what, shape, concurrency = given["what"], given["shape"], given.get("concurrency", 64)
    data = rows(given["count"])
    url = given.get("url")
    lm = (
        treadle.LM(url, model="fake")
        if url
        else treadle.Scripted(lambda request: of_text(request.messages[-1].content))
    )
    with tempfile.TemporaryDirectory() as folder:
        if what == "evaluate":
            figures = evaluated(shape, data, lm, Path(folder) if given["stored"] else None, concurrency)
        elif what == "stored":
            figures = from_store(shape, data, lm, Path(folder))
        else:
            figures = called(shape, data, lm, concurrency)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
