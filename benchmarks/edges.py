"""Learned edges in the worlds where some agents lie and some only talk: what is learned, what it brings, what it saves.

    python -m benchmarks.edges                # 10 worlds a family, sealed; resumes where it was stopped
    python -m benchmarks.edges --quick        # 2 worlds a family

Agents say what they think, and a judge reads all of them. A search has 300 rows; accuracy is of 150 others, tokens are
those of prompts on the rows it chose by. The honest level is the accuracy of a judge who reads the honest agents alone.
In the control the answers are shuffled among the rows, so that there is nothing to learn. Results are kept as JSON
lines in ``--out``; a search that is there is not made again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.optimizers.structures import accuracy, program_of, study_of
from tests.worlds.edges import EdgeWorld
from tests.worlds.families import TOPOLOGY_SEALED, TOPOLOGY_TUNING
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.events import Event
from treadle.compiler.study.optimizer import Optimizer
from treadle.compiler.study.study import Study
from treadle.optimizers.ablation import Ablation
from treadle.optimizers.agent_prune import AgentPrune
from treadle.optimizers.gptswarm import GPTSwarm

FAMILIES = {"tuning": TOPOLOGY_TUNING, "sealed": TOPOLOGY_SEALED}
NAMES = ("EDGE liars", "EDGE idle", "EDGE honest")
METHODS: Mapping[str, Optimizer] = {
    "gptswarm": GPTSwarm(),
    "gptswarm, moving average": GPTSwarm(baseline="moving_average"),
    "agent_prune": AgentPrune(),
    "ablation": Ablation(),
}
COMPARED = ("gptswarm", "agent_prune", "ablation")
CONTROL = "labels shuffled"
KINDS = ("honest", "liar", "idle")
ROWS = 450
"""Of a world: 300 to search with, 150 fresh ones."""

Key = tuple[str, str, int, str, str]
"""Kind of families, family, number of the world, control, method."""


def world_of(kind: str, family: str, number: int, control: str) -> EdgeWorld:
    """A world of the family, with its answers shuffled among the rows where it is the control."""
    found = FAMILIES[kind][family].worlds(number + 1)[number]
    assert isinstance(found, EdgeWorld)
    world = EdgeWorld(dataclasses.replace(found.settings, rows=ROWS), found.seed)
    if control:
        verdicts = [row["verdict"] for row in world.rows]
        verdicts = verdicts[7:] + verdicts[:7]  # rows are independent: any shift is a shuffle
        world.rows = [{**row, "verdict": verdict} for row, verdict in zip(world.rows, verdicts, strict=True)]
    return world


def searched(key: Key) -> dict[str, Any]:
    """One search, and what came of it."""
    kind, family, number, control, method = key
    world, events = world_of(kind, family, number, control), list[Event]()
    begun = time.process_time()
    with study_of(world, rows=300, listener=events.append) as study:
        winner = METHODS[method].search(study, study.program.space())
    told: list[Any] = [event.fields["probabilities"] for event in events if event.kind == "edges"]
    start = Candidate()
    return {
        "key": list(key),
        "probabilities": _by_kind(world, told[-1]) if told else {},
        "read": _read(world, winner),
        "before": accuracy(world, start),
        "after": accuracy(world, winner),
        "honest": accuracy(world, _honest(world)),
        "tokens": [_tokens(study, start), _tokens(study, winner)],
        "changed": winner != start,
        "calls": study.spend.search.calls,
        "cpu": time.process_time() - begun,
    }


def _agents(world: EdgeWorld) -> dict[str, str]:
    """Kind by the name of the agent's step."""
    return {f"agent_{number}": world.kinds[agent] for number, agent in enumerate(world.agents, start=1)}


def _by_kind(world: EdgeWorld, probabilities: Mapping[str, float]) -> dict[str, list[float]]:
    """Probabilities of the edges to the judge by kind of agent, and of those among agents."""
    agents, found = _agents(world), dict[str, list[float]]()
    for address, probability in probabilities.items():
        target, _, source = address.partition(".from_")
        found.setdefault(agents[source] if target == "judge" else "among agents", []).append(probability)
    return found


def _read(world: EdgeWorld, winner: Candidate) -> dict[str, list[int]]:
    """How many agents of each kind the judge reads in the result, and of how many."""
    found: dict[str, list[int]] = {}
    for name, kind in _agents(world).items():
        counts = found.setdefault(kind, [0, 0])
        counts[0] += bool(winner.values.get(f"judge.from_{name}", True))
        counts[1] += 1
    added = sum(value is True for address, value in winner.values.items() if ".from_" in address)
    return {**found, "among agents": [added, 0]}


def _honest(world: EdgeWorld) -> Candidate:
    cut = {f"judge.from_{name}": False for name, kind in _agents(world).items() if kind != "honest"}
    return program_of(world).space().candidate(cut)


def _tokens(study: Study, candidate: Candidate) -> float:
    return statistics.fmean(o.usage.input_tokens for o in study.table.outcomes(candidate, study.splits.select))


# --- tables -----------------------------------------------------------------------------------------------------------


def tables(results: Mapping[Key, Mapping[str, Any]], keys: Sequence[Key]) -> Iterator[str]:
    """What was learned, and what came of it, by family and method; means over worlds."""
    groups = dict.fromkeys((key[1], key[3], key[4]) for key in keys)
    heads = (
        "family", "method", "judge reads: honest / liars / idle", "edges added", "accuracy before", "after",
        "honest level", "worlds at it", "prompt tokens", "LM calls", "CPU s",
    )  # fmt: skip
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for family, control, method in groups:
        found = [results[k] for k in keys if (k[1], k[3], k[4]) == (family, control, method) and k in results]
        if found:
            yield _row(f"{family}{', ' + control if control else ''}", method, found)
    yield "\nprobabilities of edges after learning: mean, and the worst for what it should be\n"
    learned = ("honest (least)", "liars (most)", "liars below 0.1", "idle", "among agents outside 0.1 to 0.9")
    yield f"| family | method | {' | '.join(learned)} |"
    yield "|---" * 7 + "|"
    for family, control, method in groups:
        found = [results[k] for k in keys if (k[1], k[3], k[4]) == (family, control, method) and k in results]
        if found and any(one["probabilities"] for one in found):
            yield _learned(f"{family}{', ' + control if control else ''}", method, found)


def _row(family: str, method: str, found: Sequence[Mapping[str, Any]]) -> str:
    kept = " / ".join(_kept(found, kind) for kind in KINDS)
    added = statistics.fmean(one["read"]["among agents"][0] for one in found)
    before, after, honest = (statistics.fmean(one[name] for one in found) for name in ("before", "after", "honest"))
    back = sum(one["after"] >= one["honest"] - 0.01 for one in found)
    saved = statistics.fmean(1 - one["tokens"][1] / one["tokens"][0] for one in found)
    calls, cpu = (statistics.fmean(one[name] for one in found) for name in ("calls", "cpu"))
    return (
        f"| {family} | {method} | {kept} | {added:.1f} | {100 * before:.1f} | {100 * after:.1f} | {100 * honest:.1f} | "
        f"{back} of {len(found)} | {-100 * saved:+.0f} % | {calls:,.0f} | {cpu:.0f} |"
    )


def _kept(found: Sequence[Mapping[str, Any]], kind: str) -> str:
    counts = [one["read"][kind] for one in found if kind in one["read"]]
    return f"{sum(kept for kept, _ in counts)} of {sum(of for _, of in counts)}" if counts else "–"


def _learned(family: str, method: str, found: Sequence[Mapping[str, Any]]) -> str:
    def of(kind: str) -> list[float]:
        return [p for one in found for p in one["probabilities"].get(kind, [])]

    def shown(kind: str, worst: Any) -> str:
        return f"{statistics.fmean(of(kind)):.2f} ({worst(of(kind)):.2f})" if of(kind) else "–"

    liars, among = of("liar"), of("among agents")
    low = f"{sum(p < 0.1 for p in liars)} of {len(liars)}" if liars else "–"
    idle = f"{statistics.fmean(of('idle')):.2f}" if of("idle") else "–"
    outside = f"{sum(not 0.1 <= p <= 0.9 for p in among)} of {len(among)}" if among else "–"
    return f"| {family} | {method} | {shown('honest', min)} | {shown('liar', max)} | {low} | {idle} | {outside} |"


def main() -> None:
    """Make the searches that are missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 worlds a family")
    parser.add_argument("--kind", choices=list(FAMILIES), default="sealed")
    parser.add_argument("--worlds", type=int, default=10, help="worlds a family")
    parser.add_argument("--methods", nargs="+", default=list(COMPARED), help=f"of {', '.join(METHODS)}")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/edges.jsonl"))
    options = parser.parse_args()
    count = 2 if options.quick else options.worlds
    cells = [*((family, "") for family in NAMES), ("EDGE liars", CONTROL)]
    keys: list[Key] = [
        (options.kind, family, number, control, method)
        for number in range(count)
        for method in options.methods
        for family, control in cells
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    results: dict[Key, Mapping[str, Any]] = {tuple(one["key"]): one for one in map(json.loads, filter(None, lines))}
    for key in keys:
        if key not in results:
            results[key] = searched(key)
            with options.out.open("a") as file:
                file.write(json.dumps(results[key]) + "\n")
    for line in tables(results, keys):
        print(line)


if __name__ == "__main__":
    main()
