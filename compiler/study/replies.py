"""Replies as a study keeps them: what an LM answered, or how it refused for good, and what that cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import cast

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import (
    ConfigurationError,
    ContextTooLong,
    DefinitiveLMError,
    LMError,
    ReplyTruncated,
    RequestRefused,
)
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Request, Usage
from treadle.compiler.redact import redact
from treadle.compiler.study.budget import Amount, Caps

_REFUSALS: Mapping[str, type[DefinitiveLMError]] = {
    kind.__name__: kind for kind in (RequestRefused, ContextTooLong, ReplyTruncated)
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reply:
    """The result of one request.

    Attributes:
        charge: What the search pays for it: the usage, or the worst case where the provider did not say.
        completion: The answer, without keys; ``None`` for a refusal.
        refusal: Type and text of a definitive failure.
    """

    charge: Amount
    completion: Completion | None = None
    refusal: tuple[str, str] = ("", "")

    def deliver(self) -> Completion:
        """The answer.

        Raises:
            DefinitiveLMError: It is a refusal.
        """
        if self.completion is not None:
            return self.completion
        kind, text = self.refusal
        raise _REFUSALS[kind](text, billed=self.charge.tokens > 0)

    def to_json(self) -> dict[str, JSON]:
        """The reply as data."""
        charge = self.charge.to_json()
        if self.completion is None:
            return {"charge": charge, "refusal": list(self.refusal)}
        completion = self.completion
        usage = completion.usage
        return {
            "charge": charge,
            "text": completion.text,
            "usage": None if usage is None else [usage.input_tokens, usage.output_tokens],
            "finish_reason": completion.finish_reason,
            "model": completion.model,
            "repaired": completion.repaired,
            "cost": completion.cost,
            "seconds": completion.seconds,
        }

    @classmethod
    def from_json(cls, data: JSON) -> Reply:
        """What ``to_json`` gave, as a stored reply."""
        row = cast("dict[str, JSON]", data)
        charge = Amount.from_json(row["charge"])
        if "refusal" in row:
            kind, text = cast("tuple[str, str]", row["refusal"])
            return cls(charge=charge, refusal=(kind, text))
        usage = cast("tuple[int, int] | None", row["usage"])
        return cls(
            charge=charge,
            completion=Completion(
                text=str(row["text"]),
                usage=None if usage is None else Usage(*usage),
                finish_reason=str(row["finish_reason"]),
                model=str(row["model"]),
                repaired=str(row["repaired"]),
                cost=cast("float | None", row["cost"]),
                seconds=cast(float, row["seconds"]),
                cached=True,
            ),
        )


def answered(completion: Completion, worst: Amount) -> Reply:
    """The reply of a call that succeeded. What the program gets is what is kept, so keys go now."""
    text = redact(completion.text)
    if text is not completion.text:
        completion = dataclasses.replace(completion, text=text)
    return Reply(charge=used(completion, worst), completion=completion)


def refused(error: DefinitiveLMError, worst: Amount) -> Reply:
    """The reply of a call that the provider refused for good."""
    kind = next(name for name, known in _REFUSALS.items() if type(error) is known)
    return Reply(charge=used(error, worst), refusal=(kind, redact(str(error))))


def can_be_kept(error: LMError) -> bool:
    """Whether the same request will fail in the same way, whatever the user does about it."""
    return type(error) in _REFUSALS.values()


def used(outcome: Completion | BaseException, worst: Amount) -> Amount:
    """What an attempt used: its usage; its worst case where that is unknown or it may have been billed."""
    if isinstance(outcome, LMError) and not outcome.billed:
        return Amount(calls=1)
    if not isinstance(outcome, Completion):
        return worst
    usage = outcome.usage
    tokens = worst.tokens if usage is None else usage.input_tokens + usage.output_tokens
    return Amount(1, tokens, worst.usd if outcome.cost is None else outcome.cost)


def worst_case(lm: LM, request: Request, caps: Caps) -> Amount:
    """One call at its most. Dollars are looked up only where they are capped: the price list is slow to load.

    Raises:
        ConfigurationError: Dollars are capped and the price is unknown; says which line to write.
    """
    usd = lm.worst_cost(request) if caps.usd is not None else None
    if caps.usd is not None and usd is None:
        msg = (
            f"the budget caps dollars, and the price of {lm.model!r} is unknown: give its LM a price, "
            "LM(…, price=(dollars per million prompt tokens, dollars per million reply tokens)), or cap calls instead: "
            "Budget(calls=…)"
        )
        raise ConfigurationError(msg)
    return Amount(1, sum(lm.worst_tokens(request)), usd)
