"""Many runs at once: results in the order of the rows, whatever the order in which they end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from treadle.compiler.errors import ConfigurationError
from treadle.compiler.runtime.block import Overlap

T = TypeVar("T")


async def run_rows(
    rows: Sequence[T], run: Callable[[T], Coroutine[Any, Any, Any]], concurrency: int, *, keep_errors: bool
) -> list[Any]:
    """The result of each row.

    Args:
        rows: What to run.
        run: Makes the coroutine of one row.
        concurrency: Runs at the same time at most.
        keep_errors: Put exceptions in the place of results; otherwise the first failure, in the order of the rows,
            stops all later rows and is raised when those before it have ended.

    Raises:
        ConfigurationError: ``concurrency`` is less than 1.
    """
    if concurrency < 1:
        msg = f"concurrency={concurrency}: at least one row has to run"
        raise ConfigurationError(msg)
    results: list[Any] = [None] * len(rows)

    async def one(index: int) -> None:
        results[index] = await run(rows[index])

    overlap, started, limit = Overlap(), 0, len(rows)
    failure: BaseException | None = None
    while started < limit or overlap:
        while started < limit and len(overlap) < concurrency:
            overlap.start(started, one(started))
            started += 1
        for index, error in await overlap.some():
            if isinstance(error, Exception) and keep_errors:
                results[index] = error
            elif error is not None and index < limit:
                limit, failure = index, error
                overlap.cancel_after(index)
    if failure is not None:
        raise failure
    return results
