"""What the events of a study are told as: one line each, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.study.events import Event

Fields = Mapping[str, Any]

UNSAID = ("asked", "candidate", "done", "menu", "proposal", "trial", "ways")
"""Events a person who watches has no use for: they are in the study's ``events.jsonl`` and in the report."""


def said(event: Event) -> str:
    """An event in words; one that has none of its own is told by its fields."""
    words = _SAYINGS.get(event.kind)
    try:
        return words(event.fields) if words is not None else f"{event.kind} {_listed(event.fields)}"
    except (KeyError, TypeError, ValueError):  # an optimizer's own event of a known kind, with other fields
        return f"{event.kind} {_listed(event.fields)}"


def amount(value: Any, caps: Fields | None = None) -> str:
    """Calls, tokens and dollars, each of its cap.

    >>> amount((6, 120, 0.02), {"calls": 1000, "usd": 2.0})
    '6 of 1,000 calls, 120 tokens, $0.0200 of $2'
    """
    (calls, tokens, usd), caps = value, caps or {}
    dollars = "price unknown" if usd is None else f"${usd:.4f}" if usd else "$0"
    if isinstance(caps.get("usd"), int | float):
        dollars += f" of ${caps['usd']:g}"
    return f"{calls:,}{_of(caps.get('calls'))} calls, {tokens:,}{_of(caps.get('tokens'))} tokens, {dollars}"


def is_amount(value: Any) -> bool:
    """Whether it is calls, tokens and dollars."""
    return isinstance(value, list | tuple) and len(value) == 3


def _of(cap: Any) -> str:
    return f" of {cap:,}" if isinstance(cap, int) else ""


def _opened(fields: Fields) -> str:
    """Where the study is kept, and whether it goes on."""
    where = f"the study in {fields['folder']}" if fields.get("folder") else "a study in memory"
    attempts = fields.get("attempts")
    calls = f", {attempts:,} calls made so far" if isinstance(attempts, int) and attempts else ""
    return f"opened {where}{calls}"


def _settled(fields: Fields) -> str:
    done = f"{fields['done']} of {fields['of']} runs" if "of" in fields else f"{fields.get('proposals', 0)} proposals"
    sent = fields.get("sent")
    return f"settled {done}; {amount(sent)} sent so far" if is_amount(sent) else f"settled {done}"


def _cell(fields: Fields) -> str:
    return f"a run failed: {fields['failure']} (example {fields['example']})"


def _demos(fields: Fields) -> str:
    bootstrapped = f"{fields['bootstrapped']} bootstrapped from {fields['passed']} of {fields['runs']} runs that passed"
    more = f"; {fields['message']}" if fields.get("message") else ""
    return f"demos for {fields['predictor']}: {fields['labelled']} labelled, {bootstrapped}{more}"


def _verdict(fields: Fields) -> str:
    odds = "" if fields["probability"] is None else f" (P = {fields['probability']:.3f})"
    return (
        f"verdict {fields['verdict']}{odds}: {fields['start']:.3f} before, {fields['winner']:.3f} after, difference "
        f"{fields['difference']:+.3f} ({fields['low']:+.3f} to {fields['high']:+.3f}) on {fields['n']} examples"
    )


_SAYINGS: Mapping[str, Callable[[Fields], str]] = {
    "opened": _opened,
    "stage": lambda fields: f"stage: {fields['name']}",
    "settled": _settled,
    "cell": _cell,
    "demos": _demos,
    "verdict": _verdict,
    "warning": lambda fields: f"warning: {fields['text']}",
    "finding": lambda fields: f"found: {fields['text']}",
    "stopped": lambda fields: f"stopped: {fields.get('text') or fields['reason']}",
}


def _listed(fields: Fields) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in fields.items() if value not in (None, ""))


def _value(value: JSON) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return str(len(value)) if len(value) > 6 else "[" + ", ".join(map(_value, value)) + "]"
    return str(value)
