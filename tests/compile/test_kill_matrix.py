"""A compile that is killed at any of its commits ends with the artifact of one that was not.

No call whose reply was committed is asked for again; at most as many calls as may be in flight are repeated per kill;
the cap, set so that its reserve covers those, holds; no effect whose output was committed happens again. The store is
the real file, the provider is asked over HTTP.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compile import desk
from tests.compile.desk import CONCURRENCY
from tests.compile.forks import KILLED, Forks, committed, forks
from tests.fake_server import FakeServer

CAP = 180  # nine tenths are 162: the compile takes fewer, and the rest covers what two kills can lose


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which the op with effects leaves a line."""
    return tmp_path_factory.mktemp("effects") / "lines"


@pytest.fixture(scope="module")
def child(effects: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with forks(tmp_path_factory.mktemp("forks"), calls=CAP, effects=str(effects)) as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with FakeServer(reply=desk.answer) as found:
        yield found


@pytest.fixture(scope="module")
def straight(
    child: Forks, server: FakeServer, effects: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The compile nobody kills."""
    effects.write_text("")
    server.reset()
    assert child.run(server, tmp_path_factory.mktemp("straight")) == 0
    assert server.counters().requests == child.found["sent"] == child.found["used"]
    assert child.found["used"] + 2 * CONCURRENCY <= CAP * 9 // 10
    assert server.counters().repeats == 0
    assert child.found["commits"] >= 60
    return {**child.found, "effects": count(effects)}


def count(effects: Path) -> int:
    return len(effects.read_text().splitlines())


class Lives:
    """One study through its deaths, and the books of what they cost."""

    def __init__(self, child: Forks, server: FakeServer, study: Path, effects: Path) -> None:
        server.reset()
        effects.write_text("")
        self._effects = effects
        self._child = child
        self._server = server
        self._study = study
        self.deaths = 0
        self.deaths_before = 0  # a commit: what was done since the last one is lost
        self.lost = 0

    def run(self, **settings: Any) -> bool:
        """One life; whether it ended by itself."""
        known, asked = committed(self._study), self._server.counters().requests
        ended = self._child.run(self._server, self._study, **settings)
        assert ended in (0, KILLED)
        sent = self._server.counters().requests - asked
        lost = sent - len(committed(self._study) - known)  # each call sent was committed, or is lost
        assert 0 <= lost <= (CONCURRENCY if ended else 0)
        self.deaths += ended == KILLED
        self.deaths_before += ended == KILLED and settings["before"]
        self.lost += lost
        return ended == 0

    def ends_like(self, straight: dict[str, Any]) -> None:
        """The last run, and what must hold of all of them."""
        assert self.run()
        assert self._child.found["artifact"] == straight["artifact"]
        assert self._child.found["used"] == straight["used"]
        counters = self._server.counters()
        assert counters.requests == straight["sent"] + self.lost  # nothing that was committed was asked for again
        assert counters.repeats <= self.lost <= self.deaths * CONCURRENCY
        assert counters.requests <= self._child.found["sent"] <= CAP
        assert 0 <= count(self._effects) - straight["effects"] <= self.deaths_before * 2 * CONCURRENCY


Life = Callable[[], Lives]


@pytest.fixture
def life(child: Forks, server: FakeServer, effects: Path, tmp_path: Path) -> Life:
    numbers = iter(range(10_000))
    return lambda: Lives(child, server, tmp_path / str(next(numbers)), effects)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_any_commit_it_ends_with_the_same_artifact(
    life: Life, straight: dict[str, Any], before: bool
) -> None:
    deaths = 0
    while True:
        lives = life()
        if lives.run(at=deaths + 1, before=before):  # it has fewer commits: how many there are depends on timing
            break
        lives.ends_like(straight)
        deaths += 1
    assert deaths >= 60


def test_killed_again_while_it_resumes_it_ends_with_the_same_artifact(life: Life, straight: dict[str, Any]) -> None:
    rng, deaths = random.Random(3), 0
    for _ in range(20):
        lives = life()
        for _ in range(2):
            lives.run(at=rng.randrange(1, straight["commits"] // 3), before=rng.random() < 0.5)
        assert lives.deaths >= 1  # replies that arrive together share a commit, so a resume may end before its own
        deaths += lives.deaths
        lives.ends_like(straight)
    assert deaths >= 30
