"""Splits: which examples a search may learn from, choose by, and be judged by.

``feedback`` rows may be read by proposers and made into demos, ``select`` rows may choose between candidates,
``confirm`` rows are touched once, for the verdict. Under 100 examples there is no separate confirm split: the choice is
cross-fitted over folds of ``select`` instead.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from treadle.compiler.canonical import digest
from treadle.compiler.errors import DataError
from treadle.compiler.study.data import Data

CROSS_FIT_BELOW = 100
"""With fewer examples the choice is cross-fitted."""
VERDICT_FROM = 30
"""With fewer examples there is no verdict."""
FOLDS = 5
LARGEST = 300
"""Most examples in select and in confirm."""
SMALLEST_FEEDBACK = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Splits:
    """Three disjoint lists of example ids.

    Attributes:
        feedback: May be shown to proposers and become demos.
        select: Scores on these choose between candidates.
        confirm: Judges the winner; empty where the choice is cross-fitted.
        examples: Number of examples given in all.
        repeated: Ids that occur in two of a user's own splits by content.
    """

    feedback: tuple[str, ...]
    select: tuple[str, ...]
    confirm: tuple[str, ...] = ()
    examples: int = 0
    repeated: tuple[str, ...] = ()

    @property
    def cross_fitted(self) -> bool:
        """Whether the verdict comes from held-out folds of ``select``."""
        return not self.confirm

    @property
    def too_few(self) -> bool:
        """Whether there are too few examples for a verdict."""
        return self.examples < VERDICT_FROM

    @property
    def judged(self) -> int:
        """Number of examples the verdict rests on."""
        return len(self.confirm) or len(self.select)

    def folds(self) -> tuple[tuple[str, ...], ...]:
        """``select`` in up to five folds of nearly equal size."""
        return tuple(fold for fold in (self.select[start::FOLDS] for start in range(FOLDS)) if fold)


def split(data: Data, seed: int) -> Splits:
    """Divide one data set as the number of examples allows; a function of the rows and the seed.

    Raises:
        DataError: Fewer than two examples.
    """
    ids = list(data.ids)
    if len(ids) < 2:
        msg = f"{len(ids)} example is not enough to search with: one to learn from and one to choose by is the least"
        raise DataError(msg)
    random.Random(int(digest(["split", seed]), 16)).shuffle(ids)
    if len(ids) < CROSS_FIT_BELOW:
        feedback = min(max(SMALLEST_FEEDBACK, len(ids) // 3), len(ids) // 2)
        return Splits(feedback=tuple(ids[:feedback]), select=tuple(ids[feedback:]), examples=len(ids))
    select = min(LARGEST, round(len(ids) * 0.37))
    confirm = min(LARGEST, round(len(ids) * 0.38))
    return Splits(
        select=tuple(ids[:select]),
        confirm=tuple(ids[select : select + confirm]),
        feedback=tuple(ids[select + confirm :]),
        examples=len(ids),
    )


def own_splits(feedback: Data, select: Data, confirm: Data | None) -> tuple[Data, Splits]:
    """A user's own splits as one data set. Rows of equal content in two splits are reported, not refused.

    Raises:
        DataError: ``feedback`` or ``select`` is empty.
    """
    if not len(feedback) or not len(select):
        msg = "feedback= and select= need at least one example each"
        raise DataError(msg)
    parts = [feedback, select, confirm or Data(())]
    renamed = [_prefixed(part, name) for part, name in zip(parts, ("f", "s", "c"), strict=True)]
    whole = Data(tuple(example for part in renamed for example in part))
    splits = Splits(
        feedback=renamed[0].ids,
        select=renamed[1].ids,
        confirm=renamed[2].ids,
        examples=len(whole),
        repeated=_repeated(parts),
    )
    return whole, splits


def _prefixed(data: Data, letter: str) -> Data:
    return Data(tuple(dataclasses.replace(example, id=f"{letter}{example.id}") for example in data))


def _repeated(parts: Sequence[Data]) -> tuple[str, ...]:
    """Ids of examples whose inputs stand in more than one part."""
    seen: dict[str, int] = {}
    found: dict[str, None] = {}
    for index, part in enumerate(parts):
        for example in part:
            inputs = repr(sorted(example.inputs.items()))
            if seen.setdefault(inputs, index) != index:
                found[example.id] = None
    return tuple(found)
