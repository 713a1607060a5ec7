"""How the benchmarks measure: every side in a process of its own, sides in turn, each figure beside its floor or DSPy.

Absolute times mean little on a shared machine. What counts is the ratio of two sides measured in the same run: CPU time
as the median of the rounds, wall time as the best of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks"

Figures = Mapping[str, float]
"""What one run of a side measured: seconds, bytes or counts by name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes:
        quick: Fewer calls and rounds: shows that it runs, measures little.
        dspy: A Python that has DSPy, or empty.
    """

    quick: bool
    dspy: str

    def rounds(self, full: int) -> int:
        """How often each side is measured."""
        return 1 if self.quick else full


def options(description: str) -> Options:
    """Read the command line, and say what is measured with."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer calls and rounds")
    parser.add_argument("--dspy", default="", metavar="PYTHON", help="a Python that has DSPy; default: this one, if so")
    given = parser.parse_args()
    dspy = given.dspy or (sys.executable if importlib.util.find_spec("dspy") else "")
    print(description.partition("\n")[0])
    print(f"  {_versions(dspy)}")
    if not dspy:
        print("  DSPy is not here, so it is left out: --dspy PYTHON names one that has it")
    return Options(quick=given.quick, dspy=dspy)


def _versions(dspy: str) -> str:
    names = ("treadle", "pydantic", "aiohttp", "httpx")
    found = [f"{name} {importlib.metadata.version(name)}" for name in names]
    if dspy:
        ask = "import importlib.metadata as m; print('dspy', m.version('dspy'))"
        found.append(subprocess.run([dspy, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
    return ", ".join([f"Python {platform.python_version()}", f"{os.cpu_count()} cores", *found])


def process(command: Sequence[str]) -> Figures:
    """Run a command; ``cpu`` and ``wall`` of the whole process, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, env=_environment())
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall": wall, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def side(python: str, module: str, **arguments: Any) -> Figures:
    """Run ``benchmarks/<module>.py`` in a process of its own; the figures it prints as JSON."""
    command = [python, "-m", f"benchmarks.{module}", json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def arguments() -> dict[str, Any]:
    """What ``side`` gave this process."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def _environment() -> dict[str, str]:
    """No keys, so that nothing else than loopback can be asked."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_API_BASE"))}
    return {**kept, "PYTHONHASHSEED": "0"}


def median(runs: Iterable[Figures], name: str) -> float:
    """The figure in the middle of the rounds."""
    return statistics.median(run[name] for run in runs)


def best(runs: Iterable[Figures], name: str) -> float:
    """The smallest figure of the rounds."""
    return min(run[name] for run in runs)


def say(what: str, ours: str, beside: str, ratio: float, *, aim: float | None = None, least: bool = False) -> None:
    """One line: a figure, what it is compared with, their ratio, and whether the aim is met.

    Args:
        what: What was measured.
        ours: Treadle's figure.
        beside: The other side and its figure.
        ratio: Ours by theirs.
        aim: The largest ratio aimed at.
        least: The aim is the smallest ratio instead.
    """
    verdict = ""
    if aim is not None:
        met = ratio >= aim if least else ratio <= aim
        verdict = f"   aim {'≥' if least else '≤'} {aim:g}: {'met' if met else 'MISSED'}"
    print(f"  {what:<44} {ours:>10}   {beside:<24} ratio {ratio:5.2f}{verdict}", flush=True)


def milliseconds(seconds: float) -> str:
    """``seconds`` for a table."""
    return f"{1e3 * seconds:.3g} ms"
