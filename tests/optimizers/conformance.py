"""What every optimizer owes its users, as one class of tests: inherit it and set ``optimizer``.

>>> class TestMine(OptimizerConformance):
...     optimizer = Mine()  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.optimizers import world
from tests.optimizers.program import PREDICTORS, START, Lab, OpenLab, Support, program, space
from treadle.compiler.artifact.emit import dumps
from treadle.compiler.artifact.load import loads
from treadle.compiler.canonical import canonical
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.study.optimizer import Optimizer, Shape


async def scrambled(request: Request) -> str:
    """The world's LM; replies come in an order of their own."""
    for _ in range(random.Random(request.key).randrange(20)):
        await asyncio.sleep(0)
    return world.answer(request)


SIZES = [45, 110]
"""Rows of data: with and without cross-fitting."""


class OptimizerConformance:
    """Tests of one optimizer."""

    optimizer: ClassVar[Optimizer]

    @pytest.mark.parametrize("count", SIZES)
    def test_same_seed_same_result_at_any_concurrency(self, lab: OpenLab, count: int) -> None:
        first = lab(count=count, concurrency=1)
        winner = self.optimizer.search(first.study, space())
        for concurrency in (3, 64):
            other = lab(count=count, concurrency=concurrency, answer=scrambled)
            assert self.optimizer.search(other.study, space()) == winner
            assert other.study.table.candidates == first.study.table.candidates
            assert other.calls == first.calls

    @pytest.mark.parametrize("count", SIZES)
    def test_better_than_the_start_on_the_planted_world(self, lab: OpenLab, count: int) -> None:
        gains = []
        for seed in range(3):
            study = lab(count=count, seed=seed).study
            winner = self.optimizer.search(study, space())
            gains.append(study.table.paired(winner, START, study.splits.select).mean)
        assert min(gains) > 0
        assert sum(gains) / 3 > 0.1

    @pytest.mark.parametrize("count", SIZES)
    def test_the_budget_is_respected_and_what_is_known_is_returned(self, lab: OpenLab, count: int) -> None:
        whole = lab(count=count)
        self.optimizer.search(whole.study, space())
        for share in (0.02, 0.3, 0.8):
            cap = round(share * len(whole.requests)) + 1
            short = lab(count=count, calls=cap)
            winner = self.optimizer.search(short.study, space())
            assert len(short.requests) <= cap
            assert winner == START or short.study.table.paired(winner, START, short.study.splits.select).mean > 0

    def test_a_search_goes_on_where_it_was_broken_off(self, lab: OpenLab, tmp_path: Path) -> None:
        whole = lab(count=45)
        winner = self.optimizer.search(whole.study, space())
        broken = lab(count=45, folder=tmp_path / "study", answer=_breaking(len(whole.requests) // 2))
        with pytest.raises(ConfigurationError, match="broken off"):
            self.optimizer.search(broken.study, space())
        broken.study.close()
        resumed = lab(count=45, folder=tmp_path / "study")
        assert self.optimizer.search(resumed.study, space()) == winner
        assert len(resumed.requests) == len(whole.requests) - len(whole.requests) // 2
        resumed.study.close()
        again = lab(count=45, folder=tmp_path / "study")
        assert self.optimizer.search(again.study, space()) == winner
        assert not again.requests

    def test_every_candidate_has_a_lineage(self, lab: OpenLab) -> None:
        opened = lab(count=45)
        self.optimizer.search(opened.study, space())
        known = [START.id]
        assert opened.tried()
        for candidate in opened.tried():
            assert candidate.origin
            assert candidate.parents
            assert set(candidate.parents) <= set(known)
            known.append(candidate.id)

    def test_the_input_is_untouched(self, lab: OpenLab) -> None:
        given = space()
        before = [(parameter.address, canonical(parameter.default)) for parameter in given.values()]
        settings = repr(self.optimizer)
        opened = lab(count=45)
        self.optimizer.search(opened.study, given)
        assert [(parameter.address, canonical(parameter.default)) for parameter in given.values()] == before
        assert opened.study.program == Support(predictors=dict(PREDICTORS))
        assert repr(self.optimizer) == settings

    def test_the_winner_is_a_candidate_of_the_space_with_demos_of_feedback_examples(self, lab: OpenLab) -> None:
        study = lab(count=45).study
        winner = self.optimizer.search(study, space())
        assert space().candidate(winner.values) == winner
        allowed = {study.example(i).inputs["ticket"] for i in study.splits.feedback}
        for address, value in winner.values.items():
            demos: Any = value if address.endswith(".demos") else []
            assert {demo["inputs"]["ticket"] for demo in demos} <= allowed

    @pytest.mark.parametrize("count", SIZES)
    def test_the_plan_covers_what_is_spent(self, lab: OpenLab, count: int) -> None:
        opened = lab(count=count)
        self.optimizer.search(opened.study, space())
        spent = opened.study.spend.by_role
        planned = self.optimizer.plan(_shape(opened))
        start = 2 * len(opened.study.splits.select)  # the input program's own runs
        task = spent["task"].calls - start
        assert task <= 1.1 * planned["task"] + 0.1 * start
        assert planned["task"] <= 2.5 * task  # candidates that share a prompt share its call
        proposed = spent["proposer"].calls if "proposer" in spent else 0
        assert (
            planned.get("proposer", 0) / 2.5 <= proposed <= planned.get("proposer", 0)
        )  # who fails nowhere needs none

    def test_the_artifact_reloads_and_runs_alike(self, lab: OpenLab) -> None:
        opened = lab(count=45)
        winner = self.optimizer.search(opened.study, space())
        text = dumps(program().with_candidate(winner))
        assert dumps(loads(text)) == text
        loaded = loads(text, lm=Scripted(world.answer))
        for outcome in opened.study.table.outcomes(winner, opened.study.splits.select[:10]):
            ticket = opened.study.example(outcome.example).inputs["ticket"]
            assert loaded(ticket=ticket) == outcome.prediction

    def test_its_name_is_a_word(self) -> None:
        assert self.optimizer.name.isidentifier()


def _breaking(after: int) -> Any:
    left = iter(range(after))

    def answer(request: Request) -> str:
        for _ in left:
            return world.answer(request)
        raise ConfigurationError("broken off")

    return answer


def _shape(lab: Lab) -> Shape:
    splits = lab.study.splits
    return Shape(
        predictors=len(PREDICTORS),
        calls_per_run=2,
        feedback=len(splits.feedback),
        select=len(splits.select),
        cross_fitted=splits.cross_fitted,
    )
