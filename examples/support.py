"""Compile a support desk of three typed steps on the offline model: no key, no network.

python examples/support.py
"""

from __future__ import annotations

import treadle
from treadle.demo.program import metric, rows, support


def main() -> None:
    """Compile, show the difference, save, and use what was saved."""
    compiled = treadle.compile(
        support, rows(), metric, optimizer="mipro", lm=treadle.LM("offline"), budget=treadle.Budget(calls=30_000)
    )
    print(compiled.report)
    compiled.save("support.json")
    loaded = treadle.load("support.json", lm=treadle.LM("offline"))
    print(loaded(ticket="The rim of my rear wheel is bent and I leave tomorrow."))


if __name__ == "__main__":
    main()
