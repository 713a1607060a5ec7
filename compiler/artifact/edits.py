"""Structure changes in a candidate, as the named rewrites a file shows.

A candidate says ``reply.module`` and ``reply.from_triage``; a file says *answer reply by another module* and *let reply
read triage*, because that is what a person compares. A list of edits of data edges stands before them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ArtifactError
from treadle.compiler.graph.rewrite import EDITS, describe, read_rewrite, rewrites_of
from treadle.compiler.prompt.render import CONTEXT_PREFIX

SWAP, ADD_EDGE, PRUNE_EDGE = "swap_module", "add_context_edge", "prune_context_edge"
_VALUES = {SWAP: "module", ADD_EDGE: "source", PRUNE_EDGE: "source"}
"""Edits that are values of a candidate, each with its argument."""


def split(values: Mapping[str, JSON]) -> tuple[list[dict[str, JSON]], dict[str, JSON]]:
    """A candidate's values as edits and all others, both in canonical order."""
    edits = [rewrite.to_json() for rewrite in rewrites_of(values)]
    return edits, {address: values[address] for address in sorted(values) if not _is_structure(address)}


def _is_structure(address: str) -> bool:
    target, _, field = address.rpartition(".")
    if address == EDITS:
        return True
    return "/" not in address and bool(target) and (field == "module" or field.startswith(CONTEXT_PREFIX))


def in_words(values: Mapping[str, JSON]) -> list[str]:
    """A candidate's edits of data edges, each as a person says it; modules and context edges are said elsewhere."""
    return [describe(rewrite) for rewrite in rewrites_of({EDITS: values.get(EDITS, [])})]


def joined(edits: Sequence[Mapping[str, Any]], parameters: Mapping[str, JSON]) -> dict[str, JSON]:
    """The candidate's values that ``split`` made into these.

    Raises:
        ArtifactError: An edit lacks its argument, or a parameter belongs among the edits.
    """
    listed = _listed(edits)
    values: dict[str, JSON] = {}
    others: list[JSON] = [_read(edit, index) for index, edit in enumerate(edits[:listed])]
    for index, edit in enumerate(edits[listed:], start=listed):
        address, value = _value(edit, f"$.edits[{index}]")
        if address in values:
            msg = f"changes {edit['target']!r} a second time"
            raise ArtifactError(msg, f"$.edits[{index}]")
        values[address] = value
    for address, value in parameters.items():
        if _is_structure(address):
            msg = f"{address!r} is a change of structure: it stands under edits"
            raise ArtifactError(msg, "$.parameters")
        values[address] = value
    if others:
        values[EDITS] = others
    return values


def _listed(edits: Sequence[Mapping[str, Any]]) -> int:
    """How many of a file's edits make a candidate's list of edits: all up to the last that is no module and no edge."""
    others = [index for index, edit in enumerate(edits) if edit["op"] not in _VALUES or "values" in edit["args"]]
    return others[-1] + 1 if others else 0


def _read(edit: Mapping[str, Any], index: int) -> JSON:
    return read_rewrite({name: edit[name] for name in ("op", "target", "args")}, f"$.edits[{index}]").to_json()


def _value(edit: Mapping[str, Any], path: str) -> tuple[str, JSON]:
    """Address and value of a module or a context edge."""
    needed = _VALUES[edit["op"]]
    if set(edit["args"]) != {needed}:
        msg = f"{edit['op']} takes {needed}, not {', '.join(edit['args']) or 'nothing'}"
        raise ArtifactError(msg, f"{path}.args")
    if not edit["target"]:
        msg = f"{edit['op']} names no predictor"
        raise ArtifactError(msg, f"{path}.target")
    value = edit["args"][needed]
    if needed == "module":
        return f"{edit['target']}.module", value
    if isinstance(value, str) and value.isidentifier():
        return f"{edit['target']}.{CONTEXT_PREFIX}{value}", edit["op"] == ADD_EDGE
    msg = "names no predictor"
    raise ArtifactError(msg, f"{path}.args.source")
