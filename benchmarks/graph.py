"""What graphs cost: checks as they grow, hashes beside networkx's, edits a minute, a round trip, and real overlap.

- Looks at nodes (reads of a node's fields) of one check and of one hash, at n nodes and at ten times as many.
- CPU time of the canonical hash beside ``networkx.weisfeiler_lehman_graph_hash`` of the same graph, its nodes labelled
  by kind, in the same process.
- Rewrites of a graph of 50 nodes, each held against all rules, by the minute; its JSON written and read again.
- Wall time of one run of five independent steps and a join, written one after the other, beside its critical path.

    python -m benchmarks.graph [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import networkx as nx

import treadle
from benchmarks.measuring import milliseconds, say
from tests.graph.sizes import chain, in_networkx, looks, mixed
from treadle.compiler.canonical import JSON, canonical, digest
from treadle.compiler.graph.check import check
from treadle.compiler.graph.identity import identity
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.rewrite import Rewrite, apply, sites
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.modules import ChainOfThought, Refine, Vote

LATENCY = 0.1
"""Seconds one call takes in the program of five steps."""

EDITS_A_MINUTE = 10_000
"""Rewrites of a graph of 50 nodes, all rules checked: the aim."""


def size(graph: Graph) -> int:
    """Nodes at any depth."""
    return sum(1 for _ in graph.walk())


def cpu(action: Callable[[], object], rounds: int) -> float:
    """CPU seconds of doing it once, the median of the rounds."""
    action()
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        action()
        found.append(time.process_time() - begun)
    return statistics.median(found)


def canonical_hash(graph: Graph) -> str:
    """``graph_hash``, which keeps what it has found, without keeping it."""
    return digest(identity(graph))


def growth() -> None:
    """Looks at nodes by one check and one hash of a small graph and of one ten times its size."""
    for what, action in (("check", check), ("hash", identity)):
        for title, make, turns in (("a chain", chain, 50), ("regions", mixed, 4)):
            each = []
            for graph in (make(turns), make(10 * turns)):
                with looks() as seen:
                    action(graph)
                each.append((size(graph), seen.total()))
            (small, few), (large, many) = each
            ours, beside = f"{many:,}", f"{few:,} at {small} nodes"
            growing = many / large / (few / small)
            say(f"looks at nodes, {what} of {title}, {large:,} nodes", ours, beside, growing, aim=1.2)


def hashes(rounds: int) -> None:
    """The canonical hash beside networkx's."""
    warnings.filterwarnings("ignore", category=UserWarning, module="networkx")  # that its hashes were others before 3.5
    module = Refine(Vote(ChainOfThought(), n=5), rounds=2)
    label = treadle.predict("ticket -> team: Literal['billing', 'shipping']", name="triage")
    graphs: Sequence[tuple[str, Graph]] = (
        ("a chain of 50 steps", chain(50)),
        ("56 nodes with regions", mixed(4)),
        ("524 nodes with regions", mixed(40)),
        ("the graph of a module", module.build(label.signature)),
    )
    for title, graph in graphs:
        drawn = in_networkx(graph)
        ours = cpu(partial(canonical_hash, graph), rounds)
        theirs = cpu(partial(nx.weisfeiler_lehman_graph_hash, drawn, node_attr="label"), rounds)
        say(f"hash of {title}", milliseconds(ours), f"networkx {milliseconds(theirs)}", ours / theirs, aim=3)


def edits(rounds: int) -> None:
    """Every kind of edit of a graph of about 50 nodes, all rules checked."""
    graph = mixed(4)
    module: JSON = Vote(key="treadle:text", n=3).to_json()
    asked: list[Rewrite] = [
        *sites(graph),
        Rewrite(op="swap_module", target="say", args={"module": module}),
        Rewrite(op="swap_model", target="say", args={"model": "large"}),
        Rewrite(op="insert_step", target="say", args={"field": "text", "name": "polish", "instruction": "Polish it."}),
        Rewrite(op="normalise", target="", args={}),
    ]
    each = [cpu(partial(apply, graph, edit), rounds) for edit in asked]
    rate = 60 / statistics.fmean(each)
    kinds = len({edit.op for edit in asked})
    what = f"edits of {kinds} kinds a minute, {size(graph)} nodes"
    say(what, f"{rate:,.0f}", f"aim {EDITS_A_MINUTE:,}", rate / EDITS_A_MINUTE, aim=1, least=True)


def round_trip(rounds: int) -> None:
    """JSON of a graph of about 50 nodes, written and read."""
    graph = mixed(4)
    text = canonical(to_json(graph))
    ours = cpu(lambda: from_json(json.loads(canonical(to_json(graph)))), rounds)
    plain = cpu(lambda: json.dumps(json.loads(text)), rounds)
    say(f"{size(graph)} nodes to JSON and back", milliseconds(ours), "aim 5 ms", ours / 0.005, aim=1)
    say(f"  the same text, {len(text):,} bytes", milliseconds(ours), f"json alone {milliseconds(plain)}", ours / plain)


@treadle.predict
def view(text: str) -> str:
    """Say what the text is about."""
    ...


@treadle.predict
def join(a: str, b: str, c: str, d: str, e: str) -> str:
    """Choose the best of five."""
    ...


@treadle.program
def five(text: str) -> str:
    """Five views and a join, written one after the other."""
    a = view(text=f"{text} One.")
    b = view(text=f"{text} Two.")
    c = view(text=f"{text} Three.")
    d = view(text=f"{text} Four.")
    e = view(text=f"{text} Five.")
    return join(a=a, b=b, c=c, d=d, e=e)


def overlap(rounds: int) -> None:
    """Five independent steps and a join."""

    async def answer(_: object) -> str:
        await asyncio.sleep(LATENCY)
        return "so"

    program = five.bind(lm=treadle.Scripted(answer))
    program(text="The printer is on fire.")
    walls = []
    for _ in range(rounds):
        begun = time.perf_counter()
        program(text="The printer is on fire, again.")
        walls.append(time.perf_counter() - begun)
    wall, critical = min(walls), 2 * LATENCY
    say("five steps and a join", f"{wall:.4f} s", f"critical path {critical:g} s", wall / critical, aim=1.05)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 5 if parser.parse_args().quick else 40
    print(f"What graphs cost\n  Python {platform.python_version()}, networkx {nx.__version__}")
    growth()
    hashes(rounds)
    edits(rounds)
    round_trip(rounds)
    overlap(max(3, rounds // 4))


if __name__ == "__main__":
    main()
