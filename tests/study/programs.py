"""Programs as users write them, in a study, for tests of what the two owe each other."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from treadle.compiler.frontend.program import Program
from treadle.compiler.lm.lm import LM
from treadle.compiler.study.data import load_data
from treadle.compiler.study.metric import Metric
from treadle.compiler.study.opening import identity_of
from treadle.compiler.study.program_runner import ProgramRunner, stubs_for
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.study import Study, open_study


def length(example: Mapping[str, Any], prediction: object) -> float:
    """A metric that any prediction has."""
    return float(len(str(prediction)))


@contextlib.contextmanager
def studying(
    program: Program[..., Any],
    lm: LM,
    rows: Sequence[Mapping[str, Any]],
    *,
    metric: Metric = length,
    stubs: Mapping[Any, Any] | None = None,
    folder: Path | None = None,
    **settings: Any,
) -> Iterator[Study]:
    """A study of ``program`` on ``rows``, all of them for choosing."""
    data = load_data(rows, program.inputs)
    stand_ins = stubs_for(program, stubs)
    runner = ProgramRunner(program, lm=lm, stubs=stand_ins)
    with open_study(
        program=program, runner=runner, data=data, splits=Splits(feedback=(), select=data.ids, examples=len(data)),
        metric=metric, identity=identity_of(program, metric, lm, stubs=stand_ins), folder=folder, **settings,
    ) as study:  # fmt: skip
        yield study
