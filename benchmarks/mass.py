"""Does MASS put blocks into a program where they help, and only there? On real text, with the offline model.

A world is a draw of twelve intents of banking77: 800 questions to search with, about 1,200 others to test on. MASS
searches a program of one step, once with the model at temperature 0, where asking again changes nothing, and once at
temperature 1, where it errs otherwise each time. Each artifact that has a block is tested beside the same prompts
without it, on the fresh questions.

    python -m benchmarks.mass --data path/to/banking77           # 10 worlds; resumes where it was stopped
    python -m benchmarks.mass --data path/to/banking77 --quick   # 3 worlds, demos drawn from labels for prompts

Exits with 1 if the 95 % interval of what a block adds contains 0, or if at temperature 1 no artifact has a block.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import treadle
from benchmarks.banking import INTENTS, Row, read
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.offline import Offline
from treadle.compiler.lm.protocol import Completion, Request
from treadle.compiler.study.gate import interval

SEARCH_ROWS = 800
TEMPERATURES = (0.0, 1.0)
CALLS = 1_000_000  # they are free
DRAWS = 3  # replies of the model to each fresh question, at a temperature above 0


@dataclasses.dataclass(frozen=True)
class Redrawn:
    """The offline model, its noise drawn anew."""

    draw: int

    async def complete(self, request: Request) -> Completion:
        """The reply to another sample of the same request."""
        return await Offline().complete(dataclasses.replace(request, sample=f"{request.sample} draw {self.draw}"))


@dataclasses.dataclass(frozen=True)
class Result:
    """One search.

    Attributes:
        world: Number of the draw.
        temperature: The model's.
        prompts: The optimizer of prompts.
        verdict: On the confirm examples, against the input program.
        module: What answers the step in the artifact, as JSON; empty where no block is in it.
        scores: Share of the fresh questions answered right, by program: ``input``, ``plain`` (the artifact without its
            block) and ``artifact``.
        gains: What the block adds on each fresh question, from -1 to 1; empty without a block.
        baselines: Score, LM calls and tokens of a run, on the confirm examples, by name, or why there are none.
        search_calls: LM calls of the search.
        findings: What the search said of itself.
    """

    world: int
    temperature: float
    prompts: str
    verdict: str
    module: str
    scores: Mapping[str, float]
    gains: Sequence[float]
    baselines: Mapping[str, Any]
    search_calls: int
    findings: Sequence[str]

    @property
    def job(self) -> tuple[int, float, str]:
        """What tells one search from another."""
        return self.world, self.temperature, self.prompts


# --- one search -------------------------------------------------------------------------------------------------------


def drawn(train: Sequence[Row], test: Sequence[Row], world: int) -> tuple[list[str], list[Row], list[Row]]:
    """Intents of a world, questions to search with, and fresh ones."""
    rng = random.Random(world)
    intents = sorted(rng.sample(sorted({intent for _, intent in train}), INTENTS))
    rows = [row for row in train if row[1] in intents]
    rng.shuffle(rows)
    return intents, rows[:SEARCH_ROWS], rows[SEARCH_ROWS:] + [row for row in test if row[1] in intents]


def program_of(intents: Sequence[str]) -> Program[..., Any]:
    """One step that sorts a question."""
    labels = ", ".join(map(repr, intents))
    intent = treadle.predict(
        f"question -> intent: Literal[{labels}]", name="intent", instruction="Choose the intent of the question."
    )

    @treadle.program
    def sort(question: str) -> Any:
        return intent(question=question)

    return sort


def searched(train: Sequence[Row], test: Sequence[Row], world: int, temperature: float, prompts: str) -> Result:
    """Search, and test what came of it on fresh questions."""
    intents, search, fresh = drawn(train, test, world)
    program, lm = program_of(intents), treadle.LM("offline", temperature=temperature)
    mass = treadle.optimizer_named("mass", prompts=prompts)
    data = [{"question": text, "intent": label} for text, label in search]
    compiled = treadle.compile(
        program, data, treadle.exact_match("intent"), optimizer=mass, gate="strict", lm=lm, study=None, seed=world,
        budget=treadle.Budget(calls=CALLS), events=None,
    )  # fmt: skip
    artifact = compiled.candidate
    plain = Candidate(values={at: value for at, value in artifact.values.items() if not _of_block(at)})
    right = {
        name: _right(program.with_candidate(candidate), fresh, temperature)
        for name, candidate in (("input", Candidate()), ("plain", plain), ("artifact", artifact))
    }
    module: JSON = artifact.values.get("intent.module")
    return Result(
        world=world, temperature=temperature, prompts=prompts,
        verdict=compiled.report.comparison.verdict if compiled.report.comparison else "nothing found",
        module=canonical(module) if module else "",
        scores={name: statistics.fmean(found) for name, found in right.items()},
        gains=[round(a - b, 3) for a, b in zip(right["artifact"], right["plain"], strict=True)] if module else [],
        baselines={baseline.name: baseline.to_json() for baseline in compiled.report.baselines},
        search_calls=compiled.report.spend.search.calls, findings=compiled.report.findings,
    )  # fmt: skip


def _of_block(address: str) -> bool:
    return address == "intent.module" or address.startswith("intent/")


def _right(program: Program[..., Any], rows: Sequence[Row], temperature: float) -> list[float]:
    """How often each question is answered right, of as many draws."""
    draws = []
    for draw in range(DRAWS if temperature else 1):
        lm = treadle.LM("offline-redrawn", provider=Redrawn(draw), temperature=temperature)
        found = program.bind(lm=lm).batch([{"question": text} for text, _ in rows], concurrency=64)
        draws.append([answer == label for answer, (_, label) in zip(found, rows, strict=True)])
    return [statistics.fmean(of_one) for of_one in zip(*draws, strict=True)]


# --- the report -------------------------------------------------------------------------------------------------------


def blocks(module: str) -> str:
    """A module from the outside in: ``vote 5 of refine``."""
    names = []
    data: Any = json.loads(module) if module else None
    while data is not None:
        count = data.get("n") or data.get("agents") or data.get("rounds")
        names.append(f"{data['module']}{f' {count}' if count else ''}")
        data = data.get("inner")
    return " of ".join(names) or "–"


def table(results: Sequence[Result]) -> Iterator[str]:
    """A line for each search."""
    yield "| T | world | verdict | block | input | prompts | artifact | the block adds, points | LM calls |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in sorted(results, key=lambda result: (result.temperature, result.world)):
        cells = " | ".join(f"{100 * one.scores[name]:.1f}" for name in ("input", "plain", "artifact"))
        yield (
            f"| {one.temperature:g} | {one.world} | {one.verdict} | {blocks(one.module)} | {cells} | "
            f"{added(one.gains)} | {one.search_calls:,} |"
        )


def added(gains: Sequence[float]) -> str:
    """A mean gain with its interval, in points."""
    if not gains:
        return "–"
    low, high = interval(gains)
    return f"{100 * statistics.fmean(gains):+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def summary(results: Sequence[Result]) -> Iterator[str]:
    """By temperature: how many artifacts have a block, what blocks add in all, and the baselines beside the winner."""
    for temperature in TEMPERATURES:
        mine = [one for one in results if one.temperature == temperature]
        with_block = [one for one in mine if one.module]
        pooled = [gain for one in with_block for gain in one.gains]
        yield (
            f"\ntemperature {temperature:g}: {len(with_block)} of {len(mine)} artifacts have a block; pooled over "
            f"{len(pooled):,} fresh questions it adds {added(pooled)}"
        )
        for name, cells in _beside(mine).items():
            scores, calls, tokens = zip(*cells, strict=True)
            means = statistics.fmean(scores), statistics.fmean(calls), statistics.fmean(tokens)
            yield f"  {name:<34}{100 * means[0]:5.1f} % with {means[1]:4.1f} LM calls, {means[2]:7,.0f} tokens a run"


def _beside(results: Sequence[Result]) -> dict[str, list[tuple[float, float, float]]]:
    """Score, calls and tokens on the confirm examples, of worlds that have self-consistency to compare with."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for one in results:
        known = {name.partition(" (")[0]: cell for name, cell in one.baselines.items() if cell["score"] is not None}
        if len(known) == 4:
            for name, cell in known.items():
                found.setdefault(name, []).append((cell["score"], cell["calls"], cell["tokens"]))
    return found


def failures(results: Sequence[Result]) -> Iterator[str]:
    """What should not be."""
    for one in results:
        low, _ = interval(one.gains)
        if one.gains and low <= 0:
            yield (
                f"world {one.world} at temperature {one.temperature:g}: {blocks(one.module)} adds {added(one.gains)}, "
                "and is in the artifact"
            )
    if not any(one.module for one in results if one.temperature):
        yield "at temperature 1 no artifact has a block"


def main(arguments: Sequence[str] | None = None) -> int:
    """Search what is missing, print the table, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv and test.csv of banking77")
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--prompts", default="mipro", help="the optimizer of prompts")
    parser.add_argument("--quick", action="store_true", help="3 worlds, prompts by 'labeled'")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/mass.jsonl"))
    options = parser.parse_args(arguments)
    train, test = read(options.data / "train.csv"), read(options.data / "test.csv")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    known = {result.job: result for result in (Result(**json.loads(line)) for line in lines)}
    worlds, prompts = (3, "labeled") if options.quick else (options.worlds, options.prompts)
    wanted = [(world, temperature, prompts) for world in range(worlds) for temperature in TEMPERATURES]
    for world, temperature, _ in wanted:
        if (world, temperature, prompts) not in known:
            result = searched(train, test, world, temperature, prompts)
            known[result.job] = result
            with options.out.open("a") as file:
                file.write(json.dumps(dataclasses.asdict(result)) + "\n")
            print(f"world {world}, temperature {temperature:g}: {blocks(result.module)}", file=sys.stderr, flush=True)
    results = [known[job] for job in wanted]
    for line in (*table(results), *summary(results)):
        print(line)
    found = list(failures(results))
    for failure in found:
        print(f"FAILED: {failure}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
