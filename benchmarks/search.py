"""How well a search uses what it is given: concurrency, CPU, and the work done before a kill.

    python -m benchmarks.search --quick                          # a smaller search: minutes
    python -m benchmarks.search --dspy PYTHON                    # with DSPy's MIPROv2 beside it

A program of four steps (MULTI additive) is searched over the fake server, 64 calls in flight at most. *Share of ideal*
is calls × latency / 64 over the time the search took; *in flight* is the server's own mean. Results are kept in
``--out``; a part that is there is not run again.

Killed when half of its calls are made, a search is started again: what it *repeats* are the calls it makes beyond those
of a search that was left alone, and it has *caught up* when it makes the first call that is not among them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.tasks import Control, Task, task
from benchmarks.treadle_runs import study_of
from tests.fake_server import FakeServerProcess
from treadle.compiler.lm.lm import LM
from treadle.optimizers.auto import Auto
from treadle.optimizers.mipro import MIPRO

CONCURRENCY = 64
LATENCY = 0.05
WORLD: tuple[str, str, int, Control] = ("sealed", "MULTI additive", 0, "")
MODEL = "/".join(map(str, WORLD))
SPLIT = (75, 111)


@dataclasses.dataclass(frozen=True)
class Ran:
    """What one search did.

    Attributes:
        calls: Requests the server saw.
        seconds: From the first call of the search to its end.
        cpu: CPU seconds of the searching process.
        in_flight: Mean number of requests in flight, by the server.
    """

    calls: int
    seconds: float
    cpu: float
    in_flight: float


def ours(given: Task, url: str, optimizer: str, trials: int, folder: Path | None = None) -> tuple[float, float]:
    """Seconds and CPU seconds of one search by Treadle."""
    lm = LM(url, model=MODEL, max_tokens=256)
    chosen = MIPRO(trials=trials) if optimizer == "mipro" else Auto(effort="light", patience=2)
    begun, cpu = time.perf_counter(), time.process_time()
    with study_of(given, seed=0, lm=lm, concurrency=CONCURRENCY, folder=folder) as study:
        chosen.search(study, study.program.space())
    return time.perf_counter() - begun, time.process_time() - cpu


class Bench:
    """The parts of the benchmark."""

    def __init__(self, trials: int, peer: str) -> None:
        self._given = task(*WORLD)
        self._trials = trials
        self._peer = peer
        self._has_dspy = (
            subprocess.run([peer, "-c", "import dspy, optuna"], capture_output=True, check=False).returncode == 0
        )
        if not self._has_dspy:
            print(f"skipped: MIPROv2: {peer} has no DSPy; pip install 'dspy[optuna]' gepa, or --dspy PYTHON")

    def parts(self) -> Mapping[str, Callable[[], Mapping[str, Any]]]:
        """Each part by name."""
        found: dict[str, Callable[[], Mapping[str, Any]]] = {}
        for who in ("mipro", "auto", *(["miprov2"] if self._has_dspy else [])):
            found[f"{who}, 50 ms"] = lambda who=who: self._timed(who, LATENCY, 0.0)  # type: ignore[misc]
            found[f"{who}, 50 ms, cv 1"] = lambda who=who: self._timed(who, LATENCY, 1.0)  # type: ignore[misc]
            found[f"{who}, 0 ms"] = lambda who=who: self._timed(who, 0.0, 0.0)  # type: ignore[misc]
        found["mipro, killed"] = lambda: self._killed("mipro")
        if self._has_dspy:
            found["miprov2, killed"] = lambda: self._killed("miprov2")
        return found

    def _server(self, latency: float, cv: float) -> FakeServerProcess:
        return FakeServerProcess(
            "--reply", "benchmarks.tasks:reply", "--latency-ms", str(1000 * latency), "--latency-cv", str(cv)
        )

    def _timed(self, who: str, latency: float, cv: float) -> Mapping[str, Any]:
        with self._server(latency, cv) as server:
            if who == "miprov2":
                said = json.loads(self._dspy(server.base_url).communicate()[0].splitlines()[-1])
                seconds, cpu = said["seconds"], said["cpu"]
            else:
                seconds, cpu = ours(self._given, server.base_url, who, self._trials)
            counters = server.counters()
        return dataclasses.asdict(Ran(counters.requests, seconds, cpu, counters.mean_in_flight))

    def _dspy(self, url: str) -> subprocess.Popen[str]:
        kind, family, number, control = WORLD
        job = {
            "url": url, "kind": kind, "family": family, "number": number, "control": control, "method": "miprov2",
            "calls": 10**9, "split": SPLIT, "trials": self._trials, "judge": False,
        }  # fmt: skip
        process = subprocess.Popen(
            [self._peer, "-m", "benchmarks.dspy_runs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env={**os.environ, "THREADS": str(CONCURRENCY)},
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.close()
        process.stdin = None
        return process

    def _child(self, url: str, folder: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks.search", "--child", url, folder, "--trials", str(self._trials)]
        return subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL)

    def _killed(self, who: str) -> Mapping[str, Any]:
        """A search killed when half of its calls are made, and started again: calls repeated, and time to catch up."""
        with tempfile.TemporaryDirectory() as folder, self._server(0.005, 0.0) as server:

            def start(runs: str) -> subprocess.Popen[str]:
                url = server.base_url
                return self._dspy(url) if who == "miprov2" else self._child(url, f"{folder}/{runs}")

            start("whole").communicate()
            whole = server.counters().requests
            server.reset()
            process = start("killed")
            while server.counters().requests < whole / 2:
                time.sleep(0.02)
            process.kill()
            process.wait()
            time.sleep(0.2)
            before = server.counters().requests
            begun = time.perf_counter()
            process = start("killed")
            course: list[tuple[float, int]] = []
            while process.poll() is None:
                course.append((time.perf_counter() - begun, server.counters().requests))
                time.sleep(0.02)
            process.communicate()
            total = server.counters().requests
        repeated = total - whole
        caught_up = next((at for at, seen in course if seen > before + repeated), course[-1][0])
        return {"whole": whole, "before": before, "repeated": repeated, "caught_up": caught_up}


def table(results: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The results, with ratios to MIPROv2 where it ran."""
    yield "| search | calls | s | share of ideal | in flight of 64 | CPU ms a call |"
    yield "|---|---|---|---|---|---|"
    for name, ran in results.items():
        if "seconds" in ran:
            latency = 0.0 if name.split(", ")[1] == "0 ms" else LATENCY
            share = f"{ran['calls'] * latency / CONCURRENCY / ran['seconds']:.0%}" if latency else "–"
            flying = f"{ran['in_flight']:.1f}" if latency else "–"
            cpu = 1000 * ran["cpu"] / ran["calls"]
            yield f"| {name} | {ran['calls']:,} | {ran['seconds']:.1f} | {share} | {flying} | {cpu:.2f} |"
    mine, theirs = results.get("mipro, 0 ms"), results.get("miprov2, 0 ms")
    if mine and theirs:
        ratio = (mine["cpu"] / mine["calls"]) / (theirs["cpu"] / theirs["calls"])
        yield f"\nCPU a call, MIPRO over MIPROv2: {ratio:.2f}"
    yield "\n| killed half way | calls whole | made before the kill | repeated | s to catch up |"
    yield "|---|---|---|---|---|"
    for name, ran in results.items():
        if "repeated" in ran:
            share = f"{ran['repeated']:,} ({ran['repeated'] / max(1, ran['before']):.1%})"
            yield f"| {name} | {ran['whole']:,} | {ran['before']:,} | {share} | {ran['caught_up']:.2f} |"


def main() -> None:
    """Run what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="12 trials")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--dspy", default=sys.executable, help="an interpreter that has DSPy")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/search.json"))
    parser.add_argument("--child", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        ours(task(*WORLD), options.child[0], "mipro", options.trials, Path(options.child[1]))
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, Mapping[str, Any]] = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name, part in Bench(12 if options.quick else options.trials, options.dspy).parts().items():
        if name not in results:
            results[name] = part()
            options.out.write_text(json.dumps(results, indent=1))
    for line in table(results):
        print(line)


if __name__ == "__main__":
    main()
