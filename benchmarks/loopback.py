"""What a step costs over HTTP: CPU per LM call against a server on loopback, beside hand-written loops and DSPy.

The server is ``tests/fake_server.py`` in a process of its own. Treadle runs ``program.batch`` with its ``http``
provider: prompts rendered, replies checked, limits and retries on. The floors are the loops of ``loops.py``.

    python -m benchmarks.loopback [--quick] [--dspy PYTHON]
"""

from __future__ import annotations

import sys

from benchmarks.measuring import Figures, Options, median, milliseconds, options, say, side
from tests.fake_server import FakeServerProcess


def server(reply: str) -> FakeServerProcess:
    """A server in a process of its own; ``reply`` is a function of ``replies.py``."""
    return FakeServerProcess("--reply", f"benchmarks.replies:{reply}")


def measured(given: Options, concurrency: int) -> dict[str, float]:
    """CPU seconds a call by side, with so many connections."""
    count = 100 if given.quick else 300 if concurrency == 1 else 1500
    runs: dict[str, list[Figures]] = {}
    with server("plain") as ours, server("fields") as theirs:
        common = {"shape": "one", "url": ours.base_url, "concurrency": concurrency}
        for _ in range(given.rounds(5)):
            figures = side(sys.executable, "treadle_side", what="call", count=count, **common)
            runs.setdefault("treadle", []).append(figures)
            for client in ("raw", "aiohttp", "httpx"):
                few = min(count, 300) if client == "httpx" else count  # its pool is quadratic in the connections
                figures = side(sys.executable, "loops", client=client, count=few, **common)
                runs.setdefault(client, []).append(figures)
            if given.dspy:
                there = {**common, "url": theirs.base_url, "count": min(count, 500)}
                what = "predict" if concurrency == 1 else "evaluate"
                runs.setdefault("dspy", []).append(side(given.dspy, "dspy_side", what=what, **there))
    return {name: median(found, "cpu") for name, found in runs.items()}


def main() -> None:
    """Measure and print."""
    given = options(__doc__ or "")
    for concurrency in (1, 64, 256):
        cpu = measured(given, concurrency)
        ours = milliseconds(cpu["treadle"])
        what = f"at {concurrency} connection{'s' * (concurrency > 1)}"
        for name in cpu:
            if name != "treadle":
                aim = 2.0 if name == "aiohttp" else None
                say(what, ours, f"{name} {milliseconds(cpu[name])}", cpu["treadle"] / cpu[name], aim=aim)


if __name__ == "__main__":
    main()
