"""One artifact, whatever the hash seed, the concurrency, and the order in which replies come."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compile import desk
from tests.compile.forks import Forks, forks
from tests.fake_server import FakeServer, Fault, JsonObject
from treadle.compiler.canonical import digest

HASH_SEEDS = (1, 2)
CONCURRENCIES = (1, 5, 64)


def one_in(count: int, place: int) -> Callable[[JsonObject], bool]:
    """A condition that holds for the same requests, however often they come."""
    return lambda request: int(digest([request["messages"], request.get("seed")]), 16) % count == place


FAULTS: dict[str, list[Fault]] = {
    "no faults": [],
    "failing runs": [  # while their other steps are under way
        Fault("400", times=None, where=one_in(10, 0)),
        Fault("length", times=None, where=one_in(10, 1)),
    ],
    "retries": [Fault("429", times=None, probability=0.03, retry_after=0)],
}


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Forks]]:
    with contextlib.ExitStack() as stack:
        folder = tmp_path_factory.mktemp("forks")
        yield [stack.enter_context(forks(folder, hash_seed=seed)) for seed in HASH_SEEDS]


def compiles(child: Forks, study: Path, *, seed: int, faults: list[Fault], **settings: Any) -> tuple[str, int]:
    """The artifact, and what the search used."""
    with FakeServer(reply=desk.answer, latency_ms=3, latency_cv=1.5, seed=seed, faults=faults) as server:
        assert child.run(server, study, **settings) == 0
    return child.found["artifact"], child.found["used"]


@pytest.mark.parametrize("faults", FAULTS)
def test_one_artifact(children: list[Forks], tmp_path: Path, faults: str) -> None:
    runs = enumerate((child, concurrency) for child in children for concurrency in CONCURRENCIES)
    found = {
        compiles(child, tmp_path / str(number), seed=number, faults=FAULTS[faults], concurrency=concurrency)
        for number, (child, concurrency) in runs
    }
    assert len(found) == 1


def test_one_artifact_also_where_tokens_are_capped(children: list[Forks], tmp_path: Path) -> None:
    first = compiles(children[0], tmp_path / "calls", seed=0, faults=[])
    for number, (child, concurrency) in enumerate(zip(children, (4, 64), strict=True)):
        how: dict[str, Any] = {"calls": None, "tokens": 100_000, "concurrency": concurrency}
        assert compiles(child, tmp_path / str(number), seed=number + 1, faults=[], **how) == first
