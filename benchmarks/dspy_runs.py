"""DSPy's side of the benchmarks of search: run by an interpreter that has DSPy, against the fake server.

Reads jobs from standard input, one JSON object a line, and writes one result a line:

    {"url": …, "kind": "sealed", "family": "KEY", "number": 0, "control": "", "method": "miprov2", "calls": 500}

Imports nothing of Treadle. MIPROv2 and GEPA have no cap on LM calls, so their best program at a cap is taken from the
course of the run: of MIPROv2 the best fully evaluated program each time it has evaluated one, of GEPA the best
candidate discovered by then.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import dspy  # type: ignore[import-not-found,unused-ignore]  # a benchmark extra
from dspy.teleprompt import GEPA, MIPROv2  # type: ignore[import-not-found,unused-ignore]
from dspy.utils.callback import BaseCallback  # type: ignore[import-not-found,unused-ignore]

from benchmarks.tasks import Stage, Task, task

THREADS = int(os.environ.get("THREADS", "8"))
BREADTH = {500: 6, 2000: 12, 8000: 18}
"""MIPROv2's number of candidates by cap on LM calls: what its light, medium and heavy settings take."""


class Counted(BaseCallback):  # type: ignore[misc,unused-ignore]
    """Counts the LM calls of the process."""

    calls = 0
    lock = threading.Lock()

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """One call."""
        with Counted.lock:
            Counted.calls += 1


class Chain(dspy.Module):  # type: ignore[misc,unused-ignore]
    """The task's program."""

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        super().__init__()
        self.stages = stages
        for stage in stages:
            setattr(self, stage.name, dspy.Predict(_signature(stage)))

    def forward(self, text: str) -> Any:
        """One run."""
        values: dict[str, Any] = {"text": text}
        for stage in self.stages:
            predicted = getattr(self, stage.name)(**{stage.input: values[stage.input]})
            values[stage.name] = getattr(predicted, stage.name)
        return dspy.Prediction(answer=values[self.stages[-1].name])


def _signature(stage: Stage) -> Any:
    label: Any = Literal[stage.labels]
    fields = {stage.input: (str, dspy.InputField()), stage.name: (label, dspy.OutputField())}
    return dspy.Signature(fields, instructions="Answer with one label.")


def _rows(given: Task, feedback: int, select: int) -> tuple[list[Any], list[Any]]:
    rows = [dspy.Example(**row).with_inputs("text") for row in given.search]
    return rows[:feedback], rows[feedback : feedback + select]


class Over(Exception):
    """The cap on calls is passed."""


class Watched(MIPROv2):  # type: ignore[misc,unused-ignore]
    """MIPROv2 that notes its best program after each full evaluation, and ends once the cap is passed."""

    cap = 0
    course: list[tuple[int, Any]]

    def _perform_full_evaluation(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._perform_full_evaluation(*args, **kwargs)
        self.course.append((Counted.calls, found[1]))
        if Counted.calls > self.cap:
            raise Over
        return found


def miprov2(
    given: Task, calls: int, seed: int, split: tuple[int, int], trials: int = 0, judge: bool = True
) -> Iterator[dict[str, Any]]:
    """One run of MIPROv2; where not one full evaluation fits the cap, the program as it is.

    Args:
        given: The task.
        calls: The cap.
        seed: Its seed.
        split: Rows to learn from and to choose by.
        trials: How many; by default as many as the cap has minibatches.
        judge: Whether its program is measured on the test rows.
    """
    train, val = _rows(given, *split)
    breadth = BREADTH.get(calls, 6)
    optimizer = Watched(
        metric=lambda row, found, trace=None: given.right(row, found.answer) > 0.5,
        auto=None, num_candidates=breadth, num_threads=THREADS, seed=seed + 1, verbose=False,
    )  # fmt: skip
    optimizer.cap, optimizer.course = calls, []
    start = Chain(given.stages)
    try:
        best = optimizer.compile(
            start, trainset=train, valset=val, num_trials=trials or max(2, calls // 35), minibatch=True
        )
        optimizer.course.append((Counted.calls, best))
    except Over:
        pass
    within = [program for used, program in optimizer.course if used <= calls]
    used = max([used for used, _ in optimizer.course if used <= calls], default=0)
    accuracy = _accuracy(given, within[-1] if within else start) if judge else 0.0
    yield {"calls": used, "accuracy": accuracy, "cap": calls}


def gepa(given: Task, calls: int, seed: int, split: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """One run of GEPA and its best candidate at every cap up to ``calls``."""
    train, val = _rows(given, *split)
    at: list[int] = []

    def metric(row: Any, found: Any, trace: Any = None, name: str | None = None, pred_trace: Any = None) -> Any:
        if name is None:
            at.append(Counted.calls)
            return given.right(row, found.answer)
        text = f"The right answer is {row[name]}."
        return dspy.Prediction(score=given.right(row, found.answer), feedback=text)

    steps = len(given.stages)
    optimizer = GEPA(
        metric=metric, max_metric_calls=calls // steps, reflection_lm=dspy.settings.lm.copy(temperature=1.0),
        num_threads=THREADS, seed=seed + 1, track_stats=True,
    )  # fmt: skip
    best = optimizer.compile(Chain(given.stages), trainset=train, valset=val)
    found = best.detailed_results
    for cap in [cap for cap in BREADTH if cap <= calls] or [calls]:
        within = [
            (score, -number)
            for number, (score, count) in enumerate(
                zip(found.val_aggregate_scores, found.discovery_eval_counts, strict=True)
            )
            if at[min(count, len(at)) - 1] + len(val) * steps * (number > 0) <= cap
        ]
        number = -max(within, default=(0.0, 0))[1]
        yield {"calls": min(cap, Counted.calls), "accuracy": _accuracy(given, found.candidates[number]), "cap": cap}


def _accuracy(given: Task, program: Any) -> float:
    rows = [dspy.Example(**row).with_inputs("text") for row in given.test]
    evaluate = dspy.Evaluate(
        devset=rows, metric=lambda row, found: given.right(row, found.answer), num_threads=THREADS,
        display_progress=False,
    )  # fmt: skip
    return float(evaluate(program).score) / 100


def run(job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The results of one job."""
    model = f"{job['kind']}/{job['family']}/{job['number']}/{job['control']}"
    random.seed(job["number"])
    given = task(job["kind"], job["family"], job["number"], job["control"])
    lm = dspy.LM(f"openai/{model}", api_base=job["url"], api_key="none", cache=False, temperature=0.0, max_tokens=1024)
    Counted.calls = 0
    with dspy.context(lm=lm, callbacks=[Counted()]):
        method = {"miprov2": miprov2, "gepa": gepa}[job["method"]]
        more = {name: job[name] for name in ("trials", "judge") if name in job}
        begun, cpu = time.perf_counter(), time.process_time()
        for result in method(given, job["calls"], job["number"], tuple(job["split"]), **more):
            yield {
                **job, **result, "seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu,
                "made": Counted.calls, "version": dspy.__version__,
            }  # fmt: skip


def main() -> None:
    """Answer jobs until there are no more."""
    logging.disable(logging.WARNING)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what DSPy prints
    for line in sys.stdin:
        for result in run(json.loads(line)):
            out.write(json.dumps(result) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
