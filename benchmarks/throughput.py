"""How much of a server's capacity an evaluation uses, and whether independent steps overlap.

1,000 examples through one step, a chain of three, and four independent steps joined by a fifth, against a server that
takes 50 ms with 64 calls at a time, and 200 ms with 256. Ideal is the time all calls need when every place is always
taken: calls x latency / calls at a time. A side's share of it is ideal / wall, and what Treadle reaches is set beside
the share of the hand-written aiohttp loop, which makes the calls and nothing else. Treadle evaluates: it also reads the
examples, keeps replies, charges and scores in a store in memory, and calls a metric in a thread. Then one example alone
of the four and one, written one after the other, beside its critical path of two calls.

    python -m benchmarks.throughput [--quick] [--dspy PYTHON]
"""

from __future__ import annotations

import sys

from benchmarks.measuring import Figures, Options, best, options, say, side
from benchmarks.shapes import CALLS, DEPTH
from tests.fake_server import FakeServerProcess

TITLES = {"one": "one step", "chain": "a chain of three", "fan": "four and a join"}
SETTINGS = ((50, 64), (200, 256))


def server(latency: int, reply: str = "plain") -> FakeServerProcess:
    """A server in a process of its own; ``reply`` is a function of ``replies.py``."""
    return FakeServerProcess("--reply", f"benchmarks.replies:{reply}", "--latency-ms", str(latency))


def walls(given: Options, shape: str, latency: int, concurrency: int, count: int) -> dict[str, float]:
    """Wall seconds of the whole run by side, the best of the rounds."""
    runs: dict[str, list[Figures]] = {}
    common = {"shape": shape, "concurrency": concurrency, "count": count}
    with server(latency) as ours, server(latency, "fields") as theirs:
        for round_ in range(given.rounds(3)):
            there = {**common, "url": ours.base_url}
            runs.setdefault("aiohttp", []).append(side(sys.executable, "loops", client="aiohttp", **there))
            figures = side(sys.executable, "treadle_side", what="evaluate", stored=False, **there)
            runs.setdefault("treadle", []).append(figures)
            if given.dspy and round_ == 0:  # seconds a run
                figures = side(given.dspy, "dspy_side", what="evaluate", **{**common, "url": theirs.base_url})
                runs.setdefault("dspy", []).append(figures)
    return {name: best(found, "wall") * count * CALLS[shape] for name, found in runs.items()}


def evaluations(given: Options) -> None:
    """Every shape at every setting."""
    count = 200 if given.quick else 1000
    for latency, concurrency in SETTINGS:
        print(f"  {count} examples at {latency} ms, {concurrency} at a time: share of the ideal")
        for shape, title in TITLES.items():
            ideal = count * CALLS[shape] * latency / 1000 / concurrency
            share = {name: ideal / wall for name, wall in walls(given, shape, latency, concurrency, count).items()}
            ours = f"{share['treadle']:.1%}"
            floor = f"aiohttp {share['aiohttp']:.1%}"
            say(f"  {title}", ours, floor, share["treadle"] / share["aiohttp"], aim=0.95, least=True)
            if "dspy" in share:
                say(f"  {title}", ours, f"DSPy {share['dspy']:.1%}", share["treadle"] / share["dspy"])


def alone(given: Options) -> None:
    """One example with independent steps."""
    latency = 0.2
    with server(200) as ours, server(200, "fields") as theirs:
        common = {"shape": "fan", "count": 1, "concurrency": 1}
        runs = [
            side(sys.executable, "treadle_side", what="call", url=ours.base_url, **common)
            for _ in range(given.rounds(3))
        ]
        wall = best(runs, "wall") * CALLS["fan"]
        critical = DEPTH["fan"] * latency
        print("  one example of four and a join at 200 ms, alone")
        say(
            "  written one after the other", f"{wall:.3f} s", f"critical path {critical:g} s", wall / critical, aim=1.05
        )
        if given.dspy:
            run = side(given.dspy, "dspy_side", what="predict", url=theirs.base_url, **common)
            there = run["wall"] * CALLS["fan"]
            say("  written one after the other", f"{wall:.3f} s", f"DSPy {there:.3f} s", wall / there)


def main() -> None:
    """Measure and print."""
    given = options(__doc__ or "")
    evaluations(given)
    alone(given)


if __name__ == "__main__":
    main()
