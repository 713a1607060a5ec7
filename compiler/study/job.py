"""What a compile or an estimate is about: its arguments, checked, with the examples divided. Makes no LM call."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import DataError
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.parameters import ParameterSpace
from treadle.compiler.lm.lm import LM
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.data import Data, Source, load_data
from treadle.compiler.study.metric import Metric, takes_trace
from treadle.compiler.study.opening import check_program, identity_of, lm_of
from treadle.compiler.study.optimizer import Optimizer
from treadle.compiler.study.program_runner import ProgramRunner, stubs_for
from treadle.compiler.study.splits import Splits, own_splits, split
from treadle.compiler.study.study import Study, open_study
from treadle.compiler.values import shown


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What a compile or an estimate is about, checked."""

    program: Program[Any, Any]
    data: Data
    splits: Splits
    metric: Metric
    optimizer: Optimizer
    space: ParameterSpace
    lm: LM | None
    proposer_lm: LM | None
    stubs: Mapping[Any, Any] | None
    seed: int
    models: tuple[LM, ...] = ()

    @property
    def identity(self) -> dict[str, JSON]:
        """What makes the study this one."""
        return identity_of(
            self.program,
            self.metric,
            self.lm,
            stubs=stubs_for(self.program, self.stubs),
            data=digest([list(self.splits.feedback), list(self.splits.select), list(self.splits.confirm)]),
            optimizer=[self.optimizer.name, settings_of(self.optimizer)],
            proposer=None if self.proposer_lm is None else [self.proposer_lm.model, self.proposer_lm.endpoint],
            space=[[p.address, p.kind, list(p.choices)] for p in self.space.values()],
            seed=self.seed,
            **_offered(self.models),
        )

    def open(self, budget: Budget, **how: Any) -> Study:
        """The study of this job. ``how``: the rest of ``open_study``'s arguments."""
        runner = ProgramRunner(
            self.program, lm=self.lm, proposer_lm=self.proposer_lm, stubs=stubs_for(self.program, self.stubs)
        )
        return open_study(
            program=self.program, runner=runner, data=self.data, splits=self.splits, metric=self.metric,
            identity=self.identity, budget=budget, seed=self.seed, **how,
        )  # fmt: skip


def _offered(models: Sequence[LM]) -> dict[str, JSON]:
    """The part of the identity that models steps may be answered by are; none where there is no choice."""
    said: list[JSON] = [[lm.model, lm.endpoint, lm.temperature, lm.max_tokens] for lm in models]
    return {"models": said} if said else {}


def settings_of(optimizer: Optimizer) -> dict[str, JSON]:
    """An optimizer's settings as data; empty for one that is no dataclass."""
    if not dataclasses.is_dataclass(optimizer) or isinstance(optimizer, type):
        return {}
    values: Mapping[str, Any] = {field.name: getattr(optimizer, field.name) for field in dataclasses.fields(optimizer)}
    return {
        name: value if isinstance(value, str | int | float | None) else str(value) for name, value in values.items()
    }


def prepare(
    program: Program[Any, Any],
    data: Source | None,
    metric: Metric,
    optimizer: Optimizer,
    *,
    feedback: Source | None = None,
    select: Source | None = None,
    confirm: Source | None = None,
    fields: Mapping[str, str] | None = None,
    lm: LM | str | None = None,
    proposer_lm: LM | str | None = None,
    models: Sequence[LM | str] = (),
    stubs: Mapping[Any, Any] | None = None,
    seed: int = 0,
) -> Job:
    """Check what a compile is given. Makes no LM call.

    Raises:
        DataError: The data do not fit the program, or there is nothing to search; two models have one name.
        DeclarationError: The program cannot be captured.
    """
    check_program(program)
    takes_trace(metric)
    if isinstance(optimizer, type) or not (hasattr(optimizer, "search") and hasattr(optimizer, "plan")):
        msg = f"{shown(optimizer)} is no optimizer: give the name of one, or an object with name, search and plan"
        raise DataError(msg)
    offered = _distinct(models, lm_of(lm))
    if offered:
        program = program.bind(lm={one.model: one for one in offered})
    space = program.space(models=[one.model for one in offered])
    if not space:
        msg = f"program {program.name!r} calls no predictor: there is nothing to search"
        raise DataError(msg)
    whole, splits = _split(program, data, feedback, select, confirm, fields, seed)
    return Job(
        program=program, data=whole, splits=splits, metric=metric, optimizer=optimizer, space=space, lm=lm_of(lm),
        proposer_lm=lm_of(proposer_lm), stubs=stubs, seed=seed, models=offered,
    )  # fmt: skip


def _distinct(models: Sequence[LM | str], lm: LM | None) -> tuple[LM, ...]:
    """The models steps may be answered by beside the program's own.

    Raises:
        DataError: Two have one name: a candidate could not say which it means.
    """
    given = [LM(model) if isinstance(model, str) else model for model in models]
    names = [one.model for one in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"models= has {', '.join(twice)} more than once; give each a name of its own with LM(…, model=…)"
        raise DataError(msg)
    return tuple(one for one in given if lm is None or one.model != lm.model)


def _split(
    program: Program[Any, Any],
    data: Source | None,
    feedback: Source | None,
    select: Source | None,
    confirm: Source | None,
    fields: Mapping[str, str] | None,
    seed: int,
) -> tuple[Data, Splits]:
    if feedback is None and select is None and confirm is None:
        whole = load_data([] if data is None else data, program.inputs, fields=fields)
        return whole, split(whole, seed)
    if data is not None:
        msg = "give data=, or your own feedback= and select= (and confirm=), not both"
        raise DataError(msg)
    if feedback is None or select is None:
        missing = "feedback=" if feedback is None else "select="
        msg = f"{missing} is missing: splits of your own are feedback= and select=, and confirm= for the verdict"
        raise DataError(msg)
    parts = [
        load_data(part, program.inputs, fields=fields) if part is not None else None
        for part in (feedback, select, confirm)
    ]
    assert parts[0] is not None
    assert parts[1] is not None
    return own_splits(parts[0], parts[1], parts[2])
