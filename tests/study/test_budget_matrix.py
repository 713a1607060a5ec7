"""Caps against what the server counts: 64 calls at a time, faults, kills; and no cap stops a search too early."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fake_server import FakeServer, Fault
from tests.study.test_kill import ROOT, Forks
from tests.study.world import Chain, candidate, study
from treadle.compiler.errors import BudgetExhausted
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Message
from treadle.compiler.study.budget import Amount, Budget, Caps

LONG = "word " * 15
CAPS: list[dict[str, Any]] = [{"calls": 10}, {"tokens": 5_000}, {"usd": 0.01}]
FAULTS: dict[str, list[Fault]] = {
    "none": [],
    "429": [Fault("429", times=None, probability=0.4)],
    "timeout": [Fault("timeout", times=4)],
    "no usage": [Fault("no_usage", times=None, probability=0.5)],
    "drop": [Fault("drop", times=None, probability=0.3)],
}


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.study.kill_child"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        yield Forks(process, tmp_path_factory.mktemp("forks"))
        process.communicate()


def billed(server: FakeServer) -> Amount:
    """What the provider would send a bill for."""
    counters = server.counters()
    tokens = counters.prompt_tokens + counters.completion_tokens
    usd = (counters.prompt_tokens * 1.0 + counters.completion_tokens * 3.0) / 1_000_000
    return Amount(counters.requests, tokens, usd)


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("cap", CAPS, ids=json.dumps)
def test_no_cap_is_passed_over_two_kills(children: Forks, tmp_path: Path, cap: dict[str, Any], faults: str) -> None:
    rng, deaths = random.Random(f"{cap} {faults}"), 0
    with FakeServer(reply=lambda request: LONG, faults=FAULTS[faults], latency_ms=2, latency_cv=1) as server:
        for _ in range(2):
            at = {"at": rng.randrange(2, 9), "before": rng.random() < 0.5}
            ended = children.run(server, tmp_path / "study", budget=cap, **at)
            assert ended in (0, -signal.SIGKILL)
            deaths += ended != 0
            assert Caps(**cap).exceeded(billed(server)) == ""
        assert children.run(server, tmp_path / "study", budget=cap) == 0
        assert deaths
        spent = billed(server)
    assert Caps(**cap).exceeded(spent) == ""
    assert children.result["why"] in ("BudgetExhausted", "StudyError")
    calls, tokens, usd = children.result["sent"]
    assert calls >= spent.calls
    assert tokens >= spent.tokens
    assert usd is None or spent.usd is None or usd >= spent.usd - 1e-12
    assert Caps(**cap).exceeded(Amount(calls, tokens, usd)) == ""


@pytest.mark.parametrize("concurrency", [1, 64])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("known", [True, False], ids=["bound known", "no bound"])
@pytest.mark.parametrize("cap", CAPS, ids=json.dumps)
def test_without_faults_it_goes_on_while_the_next_worst_case_fits(
    cap: dict[str, Any], known: bool, steps: int, concurrency: int
) -> None:
    with FakeServer(reply=lambda request: LONG) as server:
        lm = LM(server.base_url, model="fake", max_tokens=20, price=(1.0, 3.0))
        runner = Chain(lm, steps, bound=0 if known else None)
        with study(runner, examples=402, budget=Budget(**cap), concurrency=concurrency) as s:
            with pytest.raises(BudgetExhausted):
                s.evaluate([candidate("")], s.splits.select)
            left = s.left
            assert s.spend.search == s.spend.sent
    request = lm.request([Message("user", LONG if steps > 1 else " q401")])
    in_flight = steps if known and "calls" in cap else 1  # a job whose calls are bounded is admitted as a whole
    cost = lm.worst_cost(request)
    assert cost is not None
    next_call = Amount(in_flight, sum(lm.worst_tokens(request)), cost)
    assert left.exceeded(next_call)


def test_a_cap_on_calls_is_used_to_the_last() -> None:
    with FakeServer(reply=lambda request: LONG, latency_ms=2, latency_cv=1) as server:
        for bound in (0, None):
            server.reset()
            runner = Chain(LM(server.base_url, model="fake"), bound=bound)
            with study(runner, examples=402, budget=Budget(calls=100), concurrency=64) as s:
                with pytest.raises(BudgetExhausted):
                    s.evaluate([candidate("")], s.splits.select)
                assert server.counters().requests == s.spend.search.calls == 90
