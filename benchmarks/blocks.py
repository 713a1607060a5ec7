"""Accuracy per LM call on the COST worlds: MASS, prompts only, self-consistency at equal tokens, and no stage or other.

    python -m benchmarks.blocks --quick                          # 2 worlds a family: minutes
    python -m benchmarks.blocks                                  # 10 worlds a family; resumes where it was stopped

Sealed families: in *COST all* each way of answering helps with some rows, in *COST two* and *COST vote* others harm,
in *COST none* all do. ``--control shuffled`` gives the rows that are searched each other's labels: nothing can be
learned, so nothing should be kept. Accuracy is of 150 fresh rows, with its standard error over worlds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.optimizers.structures import TEST_ROWS, accuracy, searched
from tests.worlds.blocks import BlockWorld
from tests.worlds.families import TOPOLOGY_SEALED
from treadle.compiler.graph.parameters import Candidate
from treadle.optimizers.mass import MASS, Stage
from treadle.optimizers.mipro import MIPRO

FAMILIES = tuple(name for name in TOPOLOGY_SEALED if name.startswith("COST"))
ROWS = 300
WITHOUT: Mapping[str, tuple[Stage, ...]] = {
    "MASS": (),
    "without prompts": ("prompts",),
    "without blocks": ("blocks",),
    "without topology": ("topology",),
    "without joint": ("joint",),
    "without prompts and joint": ("prompts", "joint"),
    "without blocks and topology": ("blocks", "topology"),
}
BESIDE = ("the program as it was", "prompts only", "self-consistency at equal tokens")


@dataclasses.dataclass(frozen=True)
class Job:
    """One search."""

    family: str
    number: int
    control: str
    method: str


def world_of(job: Job) -> BlockWorld:
    """The world of a job, its searched rows' labels mixed up where it is a control."""
    sealed = TOPOLOGY_SEALED[job.family].worlds(job.number + 1)[job.number]
    assert isinstance(sealed, BlockWorld)
    world = BlockWorld(dataclasses.replace(sealed.settings, rows=ROWS + TEST_ROWS), sealed.seed)
    if job.control == "shuffled":
        labels = [row["sort"] for row in world.rows[:ROWS]]
        random.Random(sealed.seed).shuffle(labels)
        mixed = [{**row, "sort": label} for row, label in zip(world.rows, labels, strict=False)]
        world.rows[:ROWS] = mixed
    return world


def run(job: Job) -> dict[str, list[float]]:
    """Accuracy and LM calls of a run, by program: of the search, and of what MASS names beside it."""
    world = world_of(job)
    winner, study = searched(world, MASS(prompts=MIPRO(trials=12), without=WITHOUT[job.method]), rows=ROWS)
    programs: dict[str, Candidate | str] = {job.method: winner}
    if job.method == "MASS":
        named = {name.partition(" (")[0]: found for name, found in study.findings.baselines.items()}
        programs |= {"the program as it was": Candidate(), **named}
    return {name: measured(world, one) for name, one in programs.items() if isinstance(one, Candidate)}


def measured(world: BlockWorld, candidate: Candidate) -> list[float]:
    """Accuracy on fresh rows, and LM calls of a run."""
    before = sum(world.asked.values())
    found = accuracy(world, candidate)
    return [found, (sum(world.asked.values()) - before) / TEST_ROWS]


# --- the tables -------------------------------------------------------------------------------------------------------


def tables(results: Mapping[Job, Mapping[str, Sequence[float]]], control: str) -> Iterator[str]:
    """One line a program: accuracy and LM calls by family, and points per LM call over all of them."""
    found: dict[str, dict[str, list[Sequence[float]]]] = {name: {} for name in (*BESIDE, *WITHOUT)}
    for job, programs in results.items():
        for name, cell in programs.items() if job.control == control else ():
            found[name].setdefault(job.family, []).append(cell)
    families = list(dict.fromkeys(job.family for job in results if job.control == control))
    yield f"\n{control or 'as planted'}: accuracy in points ± standard error over worlds, LM calls a run\n"
    yield "| program | " + " | ".join(families) + " | points per LM call |"
    yield "|---" * (len(families) + 2) + "|"
    for name, cells in found.items():
        if cells:
            whole = [cell for family in families for cell in cells.get(family, ())]
            per_call = statistics.fmean(100 * score / calls for score, calls in whole)
            shown = " | ".join(_shown(cells.get(family, [])) for family in families)
            yield f"| {name} | {shown} | {per_call:.1f} |"


def _shown(cells: Sequence[Sequence[float]]) -> str:
    if not cells:
        return "–"
    scores = [100 * score for score, _ in cells]
    error = statistics.stdev(scores) / math.sqrt(len(scores)) if len(scores) > 1 else math.nan
    return f"{statistics.fmean(scores):.1f} ± {error:.1f}, {statistics.fmean(calls for _, calls in cells):.1f}"


def main() -> None:
    """Search what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 worlds a family")
    parser.add_argument("--worlds", type=int, default=10, help="worlds a family")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    parser.add_argument("--methods", nargs="+", default=list(WITHOUT), help=f"of {', '.join(WITHOUT)}")
    parser.add_argument("--control", choices=["", "shuffled"], default="")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/blocks.jsonl"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    known: dict[Job, Any] = {Job(**one["job"]): one["programs"] for one in map(json.loads, lines)}
    wanted = [
        Job(family, number, options.control, method)
        for number in range(2 if options.quick else options.worlds)
        for family in options.families
        for method in options.methods
    ]
    for job in wanted:
        if job not in known:
            known[job] = run(job)
            with options.out.open("a") as file:
                file.write(json.dumps({"job": dataclasses.asdict(job), "programs": known[job]}) + "\n")
    for line in tables({job: known[job] for job in wanted}, options.control):
        print(line)


if __name__ == "__main__":
    main()
