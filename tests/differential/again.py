"""Captures and runs renamed programs in a process of its own, from their graphs' JSON; one line of JSON for each.

Reads seeds from standard input. The process has another ``PYTHONHASHSEED`` than its parent.
"""

from __future__ import annotations

import json
import sys
from random import Random

from tests.differential.generate import generated, renamed
from tests.differential.harness import made, outcome
from treadle.compiler.canonical import digest
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.compiler.runtime.interpreter import run_graph


def told(seed: int) -> dict[str, object]:
    """What this process makes of a program: its hash, and its outcome and prompts when run from its JSON."""
    program = made(renamed(generated(Random(seed))[0]), str(seed))
    graph = program.graph
    assert graph is not None, str(program.capture)
    loaded = from_json(json.loads(json.dumps(to_json(graph))))
    found = outcome(lambda inputs, session: run_graph(loaded, program.ops, inputs, session), seed)
    return {
        "hash": graph_hash(graph),
        "loaded": graph_hash(loaded),
        "error": found.error,
        "prompts": "" if found.error else digest(list(found.prompts)),
    }


def main() -> None:
    """Answer every seed."""
    for line in sys.stdin:
        seed = int(line)
        sys.stdout.write(json.dumps([seed, told(seed)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
