"""What a step costs beside the model: CPU per LM call with an LM that answers at once, Treadle beside DSPy.

Treadle evaluates with tracing and a store on disk. DSPy runs its ``Predict`` steps one after another, which is the
cheapest it has, and evaluates in eight threads; neither keeps anything. A stored answer is a step whose reply comes
from the store (in DSPy from its cache in memory) and whose score does not.

    python -m benchmarks.steps [--quick] [--dspy PYTHON]
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.measuring import Figures, Options, median, milliseconds, options, say, side

SHAPES = {"one": "a program of one step", "chain": "a chain of three steps"}


def measured(given: Options, shape: str) -> dict[str, float]:
    """CPU seconds a step by side."""
    count = 100 if given.quick else {"one": 1500, "chain": 500}[shape]
    ours: dict[str, dict[str, Any]] = {
        "run": {"what": "call"},
        "evaluated": {"what": "evaluate", "stored": True},
        "stored": {"what": "stored"},
    }
    theirs = {"Predict": "predict", "Evaluate": "evaluate", "cache": "stored"} if given.dspy else {}
    runs: dict[str, list[Figures]] = {}
    for _ in range(given.rounds(5)):
        for name, what in ours.items():
            runs.setdefault(name, []).append(side(sys.executable, "treadle_side", shape=shape, count=count, **what))
        for name, kind in theirs.items():
            figures = side(given.dspy, "dspy_side", shape=shape, count=count, what=kind)
            runs.setdefault(name, []).append(figures)
    return {name: median(found, "cpu") for name, found in runs.items()}


def main() -> None:
    """Measure and print."""
    given = options(__doc__ or "")
    for shape, title in SHAPES.items():
        cpu = measured(given, shape)
        print(f"  {title}, CPU per LM step")

        def compare(what: str, ours: str, theirs: str, cpu: dict[str, float] = cpu, aim: float | None = None) -> None:
            if theirs in cpu:
                shown = f"DSPy {theirs} {milliseconds(cpu[theirs])}"
                say(f"  {what}", milliseconds(cpu[ours]), shown, cpu[ours] / cpu[theirs], aim=aim)
            else:
                print(f"    {what}: {milliseconds(cpu[ours])}")

        compare("run in a batch, nothing stored", "run", "Predict", aim=0.5)
        compare("evaluated, traced and stored", "evaluated", "Predict", aim=0.5)
        compare("evaluated, traced and stored", "evaluated", "Evaluate", aim=0.5)
        compare("answered from the store", "stored", "cache", aim=0.5)


if __name__ == "__main__":
    main()
