"""What makes two runs the same study: its identity, the versions that wrote it, and the plan it searches by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import cast

import pydantic

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.study.budget import Budget, Caps
from treadle.compiler.study.clean import clean
from treadle.compiler.study.store import Store


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How this run of a study goes about it.

    Attributes:
        number: Which search of the study: one under another budget is another search over the same answers.
        search: What it may use.
        run: Number of this run, from 1.
    """

    number: int
    search: Caps
    run: int


def enroll(store: Store, identity: Mapping[str, JSON], budget: Budget, warn: Callable[[str], None]) -> Plan:
    """Begin a run of the study in ``store``, or of a new one.

    The search keeps its share when the budget is raised because retries and lost calls had used up the reserve; any
    other change of the budget is a new search, which finds all answers stored and pays for nothing twice.

    Raises:
        ConfigurationError: The store holds another study; names the part that differs.
    """
    _check_identity(store, identity)
    _check_versions(store, warn)
    plan = _plan(store, budget)
    store.save(
        {
            "identity": identity,
            "versions": _versions(),
            "run": plan.run,
            "plan": {"number": plan.number, "budget": budget.to_json(), "search": plan.search.to_json()},
            "reserve": False,
        }
    )
    return plan


def _check_identity(store: Store, identity: Mapping[str, JSON]) -> None:
    known = store.get("meta", "identity")
    if known is None:
        return
    before, now = cast("Mapping[str, JSON]", known), cast("Mapping[str, JSON]", clean(identity)[0])
    for part in dict.fromkeys((*now, *before)):
        was, is_now = canonical(before.get(part)), canonical(now.get(part))
        if was != is_now:
            msg = (
                f"the folder holds another study: its {part} is {was[:80]}, that of this one is {is_now[:80]}; "
                "give another folder with study=, or delete this one"
            )
            raise ConfigurationError(msg)


def _check_versions(store: Store, warn: Callable[[str], None]) -> None:
    known = cast("Mapping[str, JSON] | None", store.get("meta", "versions"))
    for name, now in _versions().items():
        if known is not None and known.get(name) != now:
            warn(
                f"the study was begun with {name} {known.get(name)} and goes on with {now}: prompts may read "
                "differently, and calls whose prompt does are made and paid again"
            )


def _versions() -> dict[str, JSON]:
    try:
        own = metadata.version("treadle")
    except metadata.PackageNotFoundError:  # an uninstalled checkout
        own = "unknown"
    return {"treadle": own, "pydantic": pydantic.VERSION}


def _plan(store: Store, budget: Budget) -> Plan:
    run = cast("int | None", store.get("meta", "run")) or 0
    known = cast("Mapping[str, JSON] | None", store.get("meta", "plan"))
    if known is None:
        return Plan(number=1, search=budget.search, run=run + 1)
    before = Budget(**cast("dict[str, float]", known["budget"]))  # type: ignore[arg-type]  # as it was written
    number = cast(int, known["number"])
    goes_on = before == budget or (store.get("meta", "reserve") is True and _covers(budget, before))
    if goes_on:
        search = Caps(**cast("dict[str, float]", known["search"]))  # type: ignore[arg-type]  # as it was written
        return Plan(number=number, search=search, run=run + 1)
    return Plan(number=number + 1, search=budget.search, run=run + 1)


def _covers(budget: Budget, before: Budget) -> bool:
    """Whether no cap has become smaller."""
    return all(
        now is None or (was is not None and now >= was)
        for was, now in (
            (before.calls, budget.calls),
            (before.tokens, budget.tokens),
            (before.usd, budget.usd),
            (before.seconds, budget.seconds),
        )
    )
