"""What ends a search early."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from treadle.compiler.errors import BudgetExhausted

if TYPE_CHECKING:
    from treadle.compiler.study.study import Study


@contextlib.contextmanager
def until_budget_ends(study: Study) -> Iterator[None]:
    """A search's body: where the budget runs out inside it, the search goes on behind it with what is known."""
    try:
        yield
    except BudgetExhausted as error:
        study.log("budget_ended", reason=str(error))
