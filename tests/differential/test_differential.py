"""A graph does what its function does: random programs run both ways, by an LM that answers out of order."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import IO, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential.generate import generated
from tests.differential.grammar import CONSTRUCTS
from tests.differential.harness import made, outcome
from treadle.compiler.canonical import digest
from treadle.compiler.graph.identity import graph_hash

PROGRAMS = 1130
GRAPHS = 1000
EACH = 20
ROOT = Path(__file__).parent.parent.parent


@dataclasses.dataclass
class Seen:
    """What was seen of all programs."""

    hashes: dict[int, str] = dataclasses.field(default_factory=dict)
    results: dict[int, dict[str, object]] = dataclasses.field(default_factory=dict)
    used: Counter[str] = dataclasses.field(default_factory=Counter)


@contextlib.contextmanager
def another_process(folder: Path) -> Iterator[tuple[IO[str], list[str]]]:
    """A process with another hash seed that takes seeds; the list has its answers when the block has ended."""
    answers: list[str] = []
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    with (folder / "answers").open("w+", encoding="utf-8") as out:
        command = [sys.executable, "-m", "tests.differential.again"]
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=out, text=True)
        assert child.stdin is not None
        try:
            yield child.stdin, answers
        finally:
            child.stdin.close()
            code = child.wait()
        assert code == 0
        out.seek(0)
        answers.extend(out)


def test_graph_and_function_agree_in_every_process_and_under_every_name(tmp_path: Path) -> None:
    seen = Seen()
    with another_process(tmp_path) as (asked, answers):

        @settings(max_examples=PROGRAMS, database=None, suppress_health_check=list(HealthCheck))
        @given(st.integers(min_value=0, max_value=2**48))
        def agree(seed: int) -> None:
            _agree(seed, seen, asked)

        agree()
    assert len(set(seen.hashes.values())) >= GRAPHS
    rare = {name: seen.used[name] for name in CONSTRUCTS if seen.used[name] < EACH}
    assert not rare
    assert set(seen.used) <= set(CONSTRUCTS)
    told: dict[int, Any] = dict(map(json.loads, answers))
    assert told == seen.results


def _agree(seed: int, seen: Seen, asked: IO[str]) -> None:
    """Graph and function give the same; the other process is asked for what it makes of the program."""
    source, used = generated(Random(seed))
    program = made(source, str(seed))
    if program.capture != "graph" or seed in seen.hashes:
        return
    graph, function = outcome(program.arun, seed), outcome(program.run_function, seed + 1)
    assert graph == function, f"{source}\ngraph: {graph}\nfunction: {function}"
    assert graph.error or graph.prompts == function.prompts, source
    assert program.graph is not None
    found = seen.hashes[seed] = graph_hash(program.graph)
    seen.used.update(set(used))
    prompts = "" if graph.error else digest(list(graph.prompts))
    seen.results[seed] = {"hash": found, "loaded": found, "error": graph.error, "prompts": prompts}
    asked.write(f"{seed}\n")
    asked.flush()
