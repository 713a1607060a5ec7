"""What a search may see of the splits: the examples it may use, and whether there are others, but not which."""

from __future__ import annotations

import dataclasses

from treadle.compiler.study.splits import Splits


@dataclasses.dataclass(frozen=True, kw_only=True)
class Visible(Splits):
    """Splits without the ids of confirm, which still know that there is one."""

    held_out: int = 0

    @classmethod
    def of(cls, splits: Splits) -> Visible:
        """What a search may see of ``splits``."""
        return cls(
            feedback=splits.feedback,
            select=splits.select,
            examples=splits.examples,
            repeated=splits.repeated,
            held_out=len(splits.confirm),
        )

    @property
    def cross_fitted(self) -> bool:
        """Whether the verdict comes from held-out folds of ``select``."""
        return not self.held_out

    @property
    def judged(self) -> int:
        """Number of examples the verdict rests on."""
        return self.held_out or len(self.select)
