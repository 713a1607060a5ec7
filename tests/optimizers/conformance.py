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

from tests.optimizers.planted import SUPPORT, Planted
from tests.optimizers.program import START, Lab, OpenLab
from treadle.compiler.artifact.emit import dumps
from treadle.compiler.artifact.load import loads
from treadle.compiler.canonical import canonical
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.study.optimizer import Optimizer, Shape

SIZES = [45, 110]
"""Rows of data: with and without cross-fitting."""


class OptimizerConformance:
    """Tests of one optimizer, in the world it is for."""

    optimizer: ClassVar[Optimizer]
    planted: ClassVar[Planted] = SUPPORT

    @pytest.fixture
    def lab(self, lab: OpenLab) -> OpenLab:
        """Opens labs of the planted world."""

        def open_lab(**settings: Any) -> Lab:
            count = settings.pop("count")
            return lab(**{"rows": self.planted.rows(count), **self.planted.settings, **settings})

        return open_lab

    @pytest.mark.parametrize("count", SIZES)
    def test_same_seed_same_result_at_any_concurrency(self, lab: OpenLab, count: int) -> None:
        first = lab(count=count, concurrency=1)
        winner = self.optimizer.search(first.study, self.planted.space())
        for concurrency in (3, 64):
            other = lab(count=count, concurrency=concurrency, answer=_scrambled(self.planted))
            assert self.optimizer.search(other.study, self.planted.space()) == winner
            assert other.study.table.candidates == first.study.table.candidates
            assert other.calls == first.calls

    @pytest.mark.parametrize("count", SIZES)
    def test_better_than_the_start_on_the_planted_world(self, lab: OpenLab, count: int) -> None:
        gains = []
        for seed in range(3):
            study = lab(count=count, seed=seed).study
            winner = self.optimizer.search(study, self.planted.space())
            gains.append(study.table.paired(winner, START, study.splits.select).mean)
        assert min(gains) > 0
        assert sum(gains) / 3 > 0.1

    @pytest.mark.parametrize("count", SIZES)
    def test_the_budget_is_respected_and_what_is_known_is_returned(self, lab: OpenLab, count: int) -> None:
        whole = lab(count=count)
        self.optimizer.search(whole.study, self.planted.space())
        for share in (0.02, 0.3, 0.8):
            cap = round(share * len(whole.requests)) + 1
            short = lab(count=count, calls=cap)
            winner = self.optimizer.search(short.study, self.planted.space())
            assert len(short.requests) <= cap
            assert winner == START or short.study.table.paired(winner, START, short.study.splits.select).mean > 0

    def test_a_search_goes_on_where_it_was_broken_off(self, lab: OpenLab, tmp_path: Path) -> None:
        whole = lab(count=45)
        winner = self.optimizer.search(whole.study, self.planted.space())
        broken = lab(count=45, folder=tmp_path / "study", answer=_breaking(self.planted, len(whole.requests) // 2))
        with pytest.raises(ConfigurationError, match="broken off"):
            self.optimizer.search(broken.study, self.planted.space())
        broken.study.close()
        resumed = lab(count=45, folder=tmp_path / "study")
        assert self.optimizer.search(resumed.study, self.planted.space()) == winner
        assert len(resumed.requests) == len(whole.requests) - len(whole.requests) // 2
        resumed.study.close()
        again = lab(count=45, folder=tmp_path / "study")
        assert self.optimizer.search(again.study, self.planted.space()) == winner
        assert not again.requests

    def test_every_candidate_has_a_lineage(self, lab: OpenLab) -> None:
        opened = lab(count=45)
        self.optimizer.search(opened.study, self.planted.space())
        known = [START.id]
        assert opened.tried()
        for candidate in opened.tried():
            assert candidate.origin
            assert candidate.parents
            assert set(candidate.parents) <= set(known)
            known.append(candidate.id)

    def test_the_input_is_untouched(self, lab: OpenLab) -> None:
        given = self.planted.space()
        before = [(parameter.address, canonical(parameter.default)) for parameter in given.values()]
        settings = repr(self.optimizer)
        opened = lab(count=45)
        self.optimizer.search(opened.study, given)
        assert [(parameter.address, canonical(parameter.default)) for parameter in given.values()] == before
        assert opened.study.program == self.planted.shown()
        assert repr(self.optimizer) == settings

    def test_the_winner_is_a_candidate_of_the_space_with_demos_of_feedback_examples(self, lab: OpenLab) -> None:
        study = lab(count=45).study
        winner = self.optimizer.search(study, self.planted.space())
        assert self.planted.space().candidate(winner.values) == winner
        (field,) = self.planted.inputs
        allowed = {study.example(i).inputs[field] for i in study.splits.feedback}
        for address, value in winner.values.items():
            demos: Any = value if address.endswith(".demos") else []
            assert {demo["inputs"][field] for demo in demos} <= allowed

    @pytest.mark.parametrize("count", SIZES)
    def test_the_plan_covers_what_is_spent(self, lab: OpenLab, count: int) -> None:
        opened = lab(count=count)
        self.optimizer.search(opened.study, self.planted.space())
        spent = opened.study.spend.by_role
        planned = self.optimizer.plan(_shape(opened, self.planted))
        start = self.planted.calls * len(opened.study.splits.select)  # the input program's own runs
        task = spent["task"].calls - start
        assert task <= 1.1 * planned["task"] + 0.1 * start
        assert planned["task"] <= 2.5 * task  # candidates that share a prompt share its call
        proposed = spent["proposer"].calls if "proposer" in spent else 0
        assert (
            planned.get("proposer", 0) / 2.5 <= proposed <= planned.get("proposer", 0)
        )  # who fails nowhere needs none

    def test_the_artifact_reloads_and_runs_alike(self, lab: OpenLab) -> None:
        opened = lab(count=45)
        winner = self.optimizer.search(opened.study, self.planted.space())
        text = dumps(self.planted.program().with_candidate(winner))
        assert dumps(loads(text)) == text
        loaded = loads(text, lm=Scripted(self.planted.answer))
        for outcome in opened.study.table.outcomes(winner, opened.study.splits.select[:10]):
            assert loaded(**opened.study.example(outcome.example).inputs) == outcome.prediction

    def test_its_name_is_a_word(self) -> None:
        assert self.optimizer.name.isidentifier()


def _scrambled(planted: Planted) -> Any:
    """The world's LM; replies come in an order of their own."""

    async def answer(request: Request) -> str:
        for _ in range(random.Random(request.key).randrange(20)):
            await asyncio.sleep(0)
        return planted.answer(request)

    return answer


def _breaking(planted: Planted, after: int) -> Any:
    left = iter(range(after))

    def answer(request: Request) -> str:
        for _ in left:
            return planted.answer(request)
        raise ConfigurationError("broken off")

    return answer


def _shape(lab: Lab, planted: Planted) -> Shape:
    splits = lab.study.splits
    return Shape(
        predictors=len(planted.shown().predictors),
        calls_per_run=planted.calls,
        feedback=len(splits.feedback),
        select=len(splits.select),
        cross_fitted=splits.cross_fitted,
    )
