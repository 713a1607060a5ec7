"""What a study used: as the search sees it, by role, and as it was sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from treadle.compiler.canonical import JSON
from treadle.compiler.study.budget import Amount

if TYPE_CHECKING:
    from treadle.compiler.study.engine import Engine


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spend:
    """What a study used up to the last barrier.

    Attributes:
        search: One charge per reply, stored or sent: the same in every run.
        by_role: The same, for ``"task"``, ``"proposer"`` and ``"judge"``.
        sent: Every attempt, of all runs; what may have been billed or was lost counts at its worst case.
        attempts: Attempts of all runs.
        lost: Attempts that were in flight when a run was killed.
        sent_now: Attempts of this run; the store gave the other replies.
        without_usage: Replies of this run that did not say their usage.
        timing_dependent: Calls were metered one by one: where the cap cut a batch, the cut may depend on timing.
    """

    search: Amount
    by_role: Mapping[str, Amount]
    sent: Amount
    attempts: int
    lost: int
    sent_now: int
    without_usage: int
    timing_dependent: bool

    def to_json(self) -> dict[str, JSON]:
        """Calls, tokens and dollars by role and in all."""
        roles: dict[str, JSON] = {role: amount.to_json() for role, amount in sorted(self.by_role.items())}
        return {"search": self.search.to_json(), "by_role": roles, "sent": self.sent.to_json()}


def spend_of(engine: Engine) -> Spend:
    """What the engine's study used."""
    attempts = engine.attempts
    return Spend(
        search=engine.ledger.settled,
        by_role=dict(engine.ledger.charged.by_role),
        sent=attempts.ledger.spent,
        attempts=attempts.recovered.attempts + attempts.sent,
        lost=attempts.recovered.lost,
        sent_now=attempts.sent,
        without_usage=attempts.without_usage,
        timing_dependent=engine.queue.timing_dependent,
    )
