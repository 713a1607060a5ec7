"""Accuracy against LM calls in the worlds: Treadle's optimizers beside DSPy's, and beside published policies.

    python -m benchmarks.worlds --quick                          # 1 world a family, no 8,000 calls: minutes
    python -m benchmarks.worlds --dspy PYTHON                    # everything; resumes where it was stopped
    python -m benchmarks.worlds --worlds 3 --controls shuffled "misdiagnosis 0" "misdiagnosis 50"
    python -m benchmarks.worlds --kind tuning --methods "mipro, tpe" "mipro, thompson" --against "mipro, tpe"

Every search gets the same 300 rows and a cap on LM calls, all roles counted, and is judged by the accuracy of its
program on 300 other rows. The verdict on examples held out, which DSPy does not make, is no part of a search and is not
counted. World after world, every method is run: a table printed before the end is of fewer worlds, and says of how
many. Results are kept as JSON lines in ``--out``; a run that is there is not made again.

The settings of the optimizers were chosen on the tuning families alone (``--kind tuning``).
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.policies import PublishedGEPA, PublishedMIPRO
from benchmarks.tasks import CONTROLS, SETS, task
from benchmarks.treadle_runs import search
from tests.fake_server import FakeServerProcess
from treadle.compiler.study.optimizer import Optimizer
from treadle.optimizers.auto import Auto
from treadle.optimizers.effort import BREADTH, Effort
from treadle.optimizers.mipro import MIPRO
from treadle.optimizers.random_search import RandomSearch

CAPS = (500, 2000, 8000)
EFFORTS: Mapping[int, Effort] = {500: "light", 2000: "medium", 8000: "heavy"}
SPLIT = (75, 111)
"""Rows DSPy learns from and chooses by: as many as Treadle's feedback and select splits have."""

METHODS: Mapping[str, Callable[[int], Optimizer]] = {
    "auto": lambda cap: Auto(effort=EFFORTS[cap]),
    "mipro": lambda cap: MIPRO(effort=EFFORTS[cap]),
    "random search": lambda cap: RandomSearch(sets={500: 16, 2000: 32, 8000: 128}[cap]),
    "MIPROv2's policy, cache and halving": lambda cap: PublishedMIPRO(breadth=BREADTH[EFFORTS[cap]], trials=cap // 35),
    "GEPA's policy, cache and halving": lambda cap: PublishedGEPA(),
    "auto, thompson": lambda cap: Auto(effort=EFFORTS[cap], sampler="thompson"),
    "auto, tpe": lambda cap: Auto(effort=EFFORTS[cap], sampler="tpe"),
    "mipro, thompson": lambda cap: MIPRO(effort=EFFORTS[cap], sampler="thompson"),
    "mipro, tpe": lambda cap: MIPRO(effort=EFFORTS[cap], sampler="tpe"),
    "mipro, random": lambda cap: MIPRO(effort=EFFORTS[cap], sampler="random"),
    "mipro, one round": lambda cap: MIPRO(effort=EFFORTS[cap], rounds=1),
    "mipro, three rounds": lambda cap: MIPRO(effort=EFFORTS[cap], rounds=3),
    "mipro, tips only": lambda cap: MIPRO(effort=EFFORTS[cap], learn_proposer=False),
    "mipro, zero-shot": lambda cap: MIPRO(effort=EFFORTS[cap], max_bootstrapped=0, max_labeled=0),
    "mipro, 4 labelled": lambda cap: MIPRO(effort=EFFORTS[cap], max_labeled=4),
    "mipro, 8 labelled": lambda cap: MIPRO(effort=EFFORTS[cap], max_labeled=8),
}
PEERS = ("miprov2", "gepa")
COMPARED = ("auto", "mipro", "mipro, 4 labelled", *PEERS, "random search", "MIPROv2's policy, cache and halving",
            "GEPA's policy, cache and halving")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Job:
    """One search."""

    kind: str
    family: str
    number: int
    control: str
    method: str
    cap: int

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Job:
        """The job a result is of."""
        return cls(**{field.name: result[field.name] for field in dataclasses.fields(cls)})


class Results:
    """Results by job, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.by_job = {Job.of(result): result for result in map(json.loads, filter(None, lines))}

    def add(self, result: Mapping[str, Any]) -> None:
        """Keep a result."""
        self.by_job[Job.of(result)] = result
        with self._path.open("a") as file:
            file.write(json.dumps(result) + "\n")


def run_ours(jobs: Iterable[Job], results: Results) -> None:
    """Make the searches by Treadle that are missing."""
    for job in jobs:
        if job not in results.by_job and job.method in METHODS:
            given = task(job.kind, job.family, job.number, job.control)  # type: ignore[arg-type]  # from CONTROLS
            begun, cpu = time.perf_counter(), time.process_time()
            found = search(given, METHODS[job.method](job.cap), seed=job.number, calls=job.cap)
            spent = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
            results.add({**dataclasses.asdict(job), **dataclasses.asdict(found), **spent})


def run_peers(jobs: Sequence[Job], results: Results, python: str) -> None:
    """Make the searches by DSPy that are missing, over the fake server. GEPA's one run serves all its caps."""
    missing = [job for job in jobs if job not in results.by_job and job.method in PEERS]
    wanted = [j for j in missing if j.method == "miprov2" or j.cap == max(i.cap for i in missing if i.method == "gepa")]
    if not wanted:
        return
    with FakeServerProcess("--reply", "benchmarks.tasks:reply") as server:
        asked = [
            {**dataclasses.asdict(job), "calls": job.cap, "url": server.base_url, "split": SPLIT} for job in wanted
        ]
        text = "".join(json.dumps(one) + "\n" for one in asked)
        with subprocess.Popen(
            [python, "-m", "benchmarks.dspy_runs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(text)
            process.stdin.close()
            for line in process.stdout:
                results.add(json.loads(line))


def run(jobs: Sequence[Job], results: Results, python: str) -> None:
    """Make the searches that are missing, world after world."""
    peers = any(job.method in PEERS for job in jobs)
    if peers and not has_dspy(python):
        peers = False
        remedy = "pip install 'dspy[optuna]' gepa, or --dspy PYTHON"
        print(f"skipped: {', '.join(PEERS)}: {python} has no DSPy; {remedy}")
    for number in dict.fromkeys(job.number for job in jobs):
        now = [job for job in jobs if job.number == number]
        run_ours(now, results)
        if peers:
            run_peers(now, results, python)


def has_dspy(python: str) -> bool:
    """Whether an interpreter can import DSPy."""
    return subprocess.run([python, "-c", "import dspy, optuna"], capture_output=True, check=False).returncode == 0


# --- tables -----------------------------------------------------------------------------------------------------------


def tables(jobs: Sequence[Job], results: Results) -> Iterator[str]:
    """Mean accuracy by method, family and cap, with the standard error over worlds."""
    methods = list(dict.fromkeys(job.method for job in jobs))
    for control in dict.fromkeys(job.control for job in jobs):
        for cap in dict.fromkeys(job.cap for job in jobs):
            families = list(dict.fromkeys(job.family for job in jobs if job.control == control))
            yield f"\n{control or 'as planted'}, {cap:,} LM calls (accuracy in points ± standard error over worlds)\n"
            yield "| method | " + " | ".join(families) + " | mean | worlds a family |"
            yield "|---" * (len(families) + 3) + "|"
            for method in methods:
                cells = [_accuracies(results, jobs, method, family, control, cap) for family in families]
                if any(cells):
                    mean = 100 * statistics.fmean(statistics.fmean(cell) for cell in cells if cell)
                    counts = sorted({len(cell) for cell in cells})
                    worlds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
                    shown = f"{mean:.1f}" if all(cells) else "–"
                    yield f"| {method} | " + " | ".join(map(_shown, cells)) + f" | {shown} | {worlds} |"


def _accuracies(results: Results, jobs: Sequence[Job], method: str, family: str, control: str, cap: int) -> list[float]:
    wanted = [j for j in jobs if (j.method, j.family, j.control, j.cap) == (method, family, control, cap)]
    return [float(results.by_job[job]["accuracy"]) for job in wanted if job in results.by_job]


def _shown(values: Sequence[float], *, signed: bool = False) -> str:
    if not values:
        return "–"
    mean = 100 * statistics.fmean(values)
    error = f" ± {100 * statistics.stdev(values) / math.sqrt(len(values)):.1f}" if len(values) > 1 else ""
    return (f"{mean:+.1f}" if signed else f"{mean:.1f}") + error


def against(peer: str, jobs: Sequence[Job], results: Results) -> Iterator[str]:
    """Paired differences of each method at each cap to a peer at the same cap and at larger ones."""
    caps = list(dict.fromkeys(job.cap for job in jobs))
    planted = [job for job in jobs if not job.control]
    theirs = {cap: _by_world(planted, results, peer, cap) for cap in caps}
    if not any(theirs.values()):
        return
    yield f"\npaired difference to {peer} in points, ± standard error over worlds of all families (worlds)\n"
    yield "| method | calls | " + " | ".join(f"{peer} at {cap:,}" for cap in caps) + " |"
    yield "|---" * (len(caps) + 2) + "|"
    for method in dict.fromkeys(job.method for job in jobs if job.method != peer):
        for cap in caps:
            mine = _by_world(planted, results, method, cap)
            cells = [[mine[world] - theirs[other][world] for world in mine if world in theirs[other]] for other in caps]
            shown = [
                f"{_shown(cell, signed=True)} ({len(cell)})" if cell and other >= cap else ""
                for cell, other in zip(cells, caps, strict=True)
            ]
            if any(shown):
                yield f"| {method} | {cap:,} | " + " | ".join(shown) + " |"


def _by_world(jobs: Sequence[Job], results: Results, method: str, cap: int) -> dict[tuple[str, int], float]:
    wanted = [job for job in jobs if (job.method, job.cap) == (method, cap) and job in results.by_job]
    return {(job.family, job.number): float(results.by_job[job]["accuracy"]) for job in wanted}


def main() -> None:
    """Run what is asked for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 world a family, caps of 500 and 2,000")
    parser.add_argument("--kind", choices=list(SETS), default="sealed")
    parser.add_argument("--worlds", type=int, default=10, help="worlds a family")
    parser.add_argument("--methods", nargs="+", default=list(COMPARED), help=f"of {', '.join((*METHODS, *PEERS))}")
    parser.add_argument("--families", nargs="+")
    parser.add_argument("--caps", nargs="+", type=int, default=list(CAPS))
    parser.add_argument("--controls", nargs="+", default=[""], help=f"of {', '.join(map(repr, CONTROLS))}")
    parser.add_argument("--against", default="miprov2", help="the method that the others are compared with, in pairs")
    parser.add_argument("--dspy", default=sys.executable, help="an interpreter that has DSPy and GEPA")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/worlds.jsonl"))
    parser.add_argument("--print", action="store_true", help="only print what --out has")
    options = parser.parse_args()
    if options.quick:
        options.worlds, options.caps = 1, [500, 2000]
    families = options.families or list(SETS[options.kind])
    jobs = [
        Job(options.kind, family, number, control, method, cap)
        for number, family, control, method, cap in itertools.product(
            range(options.worlds), families, options.controls, options.methods, options.caps
        )
        if not (control.startswith("misdiagnosis") and family in ("DEMO", "NOISE"))
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    results = Results(options.out)
    if not options.print:
        run(jobs, results, options.dspy)
    for line in (*tables(jobs, results), *against(options.against, jobs, results)):
        print(line)


if __name__ == "__main__":
    main()
