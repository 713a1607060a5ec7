"""What stays behind: memory over 20,000 traced steps, and the size and time of a saved program.

The steps are those of ``shapes.chain`` with an LM that answers at once; each trace is dropped. Memory is what Python
has allocated, by ``tracemalloc`` at the end of each fifth: from the second fifth on it should not grow.

The program that is saved has three predictors with eight demos each, beside DSPy's, and JSON alone as the floor.

    python -m benchmarks.memory [--quick] [--dspy PYTHON]
"""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Callable

import treadle
from benchmarks.measuring import Options, milliseconds, options, say, side
from benchmarks.programs import chain
from benchmarks.replies import of_text
from benchmarks.shapes import SHAPES, rows
from treadle.compiler.canonical import JSON
from treadle.compiler.graph.parameters import Candidate

FIFTHS = 5
GROWTH = 32.0
"""Bytes a step that may be left in the last fifths: caches fill up, and what Python counts is not smooth."""


def growth(steps: int) -> list[int]:
    """Bytes allocated at the end of each fifth of the steps."""
    program = SHAPES["chain"].bind(lm=treadle.Scripted(lambda request: of_text(request.messages[-1].content)))
    tracemalloc.start()
    sizes = []
    for fifth in range(FIFTHS):
        for row in rows(steps // 3 // FIFTHS, tag=f"{fifth}-"):
            _, trace = program.traced(text=row["text"])
            assert len(trace.spans) == 7
            del trace
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    return sizes


def tuned() -> treadle.Program[..., str]:
    """``programs.chain`` as a search may leave it: an instruction and eight demos for each predictor."""
    values: dict[str, JSON] = {}
    for name, predictor in chain.predictors.items():
        inputs: dict[str, JSON] = {slot.name: "billing" for slot in predictor.signature.inputs}
        inputs |= {slot.name: 1 for slot in predictor.signature.inputs if slot.annotation is int}
        output = predictor.signature.outputs[0]
        answer: JSON = 1 if output.annotation is int else "billing"
        demo: dict[str, JSON] = {"inputs": inputs, "outputs": {output.name: answer}}
        values[f"{name}.demos"] = [demo for _ in range(8)]
        values[f"{name}.instruction"] = f"{predictor.signature.instruction} Answer as the examples do."
    return chain.with_candidate(Candidate(values=values))


def seconds(action: Callable[[], object], times: int = 200) -> float:
    """CPU of one call: the best of five rounds."""
    found = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            action()
        found.append((time.process_time() - start) / times)
    return min(found)


def artifacts(given: Options) -> None:
    """Saving and loading."""
    program = tuned()
    text = treadle.dumps(program)
    data = json.loads(text)
    treadle.loads(text, program=program)
    times = 10 if given.quick else 100
    save, load = seconds(lambda: treadle.dumps(program), times), seconds(lambda: treadle.loads(text), times)
    print("  a program of three predictors with eight demos each")
    say("  save", milliseconds(save), f"json.dumps {milliseconds(seconds(lambda: json.dumps(data), times))}",
        save / seconds(lambda: json.dumps(data), times))  # fmt: skip
    say("  load", milliseconds(load), f"json.loads {milliseconds(seconds(lambda: json.loads(text), times))}",
        load / seconds(lambda: json.loads(text), times))  # fmt: skip
    again = seconds(lambda: treadle.loads(text), times)
    say("  load, after a few hundred times", milliseconds(again), f"before {milliseconds(load)}", again / load)
    print(f"    size: {len(text):,} bytes")
    if given.dspy:
        there = side(given.dspy, "dspy_saved", times=times)
        say("  save", milliseconds(save), f"DSPy state {milliseconds(there['save'])}", save / there["save"])
        say("  load", milliseconds(load), f"DSPy state {milliseconds(there['load'])}", load / there["load"])
        print(f"    size: {len(text):,} bytes with the program; DSPy's state without it {there['bytes']:,.0f}")


def main() -> None:
    """Measure and print."""
    given = options(__doc__ or "")
    steps = 1_500 if given.quick else 20_000
    sizes = growth(steps)
    shown = ", ".join(f"{size / 1e6:.2f}" for size in sizes)
    print(f"  {steps:,} steps traced and dropped: {shown} MB allocated at the end of each fifth")
    left = (sizes[-1] - sizes[1]) / (steps * (FIFTHS - 2) / FIFTHS)
    verdict = "flat" if left < GROWTH else "NOT flat"
    print(f"    {left:.1f} bytes a step stay behind in the last three fifths: {verdict}")
    artifacts(given)


if __name__ == "__main__":
    main()
