"""Ablation: leave out what nobody misses, one optional input or context edge at a time.

What a step is shown and does not need costs tokens in every run. Each context edge the program has, and each optional
input a step is given, is taken away by itself; all these programs are measured on the same examples. Those that are no
worse and save tokens are then taken away together, the largest saving first, as long as all of it is still no worse
than the program as it was: two edges may each be spared while the other is there.

The question is that of feature selection by backward elimination (Kohavi and John 1997), put to messages: which of them
change what is decided (Jaques et al. 2019 measure the same as influence). Pruning by learned scores is in
``agent_prune.py``; it needs fewer runs where there are many edges, and this one says of each edge what it is worth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.rewrite import EDITS, Rewrite, rewired, sites
from treadle.optimizers.edges import edge_in_words, edits_in, without_unread
from treadle.optimizers.stopping import until_budget_ends
from treadle.optimizers.thrift import Saving, Thrift
from treadle.optimizers.topologies import Topologies, structure

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study

_TOGETHER = 1.5  # programs measured for each thing: by itself, and half of them together with others


@dataclasses.dataclass(frozen=True)
class Part:
    """Something a program may do without.

    Attributes:
        said: What it is, as a person says it.
        edge: Address of a context edge; empty for an input.
        input: The edit that drops an optional input; ``None`` for an edge.
    """

    said: str
    edge: str = ""
    input: Rewrite | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ablation:
    """Drop context edges and optional inputs whose loss is not felt.

    LM calls: a run on each select example for every edge and optional input, and for about half of them once more;
    steps whose prompts stay the same are not asked again. Needs a program with a graph.

    Attributes:
        loss: Score that may be lost in all, in the metric's units.
        evidence: Probability that no more is lost, from which on something is dropped.
    """

    name: ClassVar[str] = "ablation"
    loss: float = 0.02
    evidence: float = 0.9

    def __post_init__(self) -> None:
        self._thrift()

    def _thrift(self) -> Thrift:
        return Thrift(loss=self.loss, evidence=self.evidence)

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The program without what nobody misses; or as it is."""
        start = kept = space.default()
        study.accept_loss(self.loss)
        parts = parts_of(study, space)
        if not parts:
            study.finding("the program has no context edge to prune and no optional input to drop")
            return start
        topologies = Topologies(study, space)
        thrift = self._thrift()

        def without(gone: Sequence[Part], origin: str) -> Candidate | None:
            values = without_unread(study, space, _without(space, gone))
            return topologies.candidate(values, parents=(start.id,), origin=f"{self.name} {origin}", again=True)

        with until_budget_ends(study):
            study.evaluate([start], study.splits.select)
            study.log("stage", name="one at a time")
            alone = [(part, without([part], f"without: {part.said}")) for part in parts]
            known = [(part, candidate) for part, candidate in alone if candidate is not None]
            study.evaluate([candidate for _, candidate in known], study.splits.select)
            savings = [(part, thrift.saving(study, start, candidate)) for part, candidate in known]
            spared = self._spared(study, start, savings)
            study.log("stage", name="together")
            gone: list[Part] = []
            for part in spared:
                candidate = without([*gone, part], f"without {len(gone) + 1}")
                if candidate is None:
                    continue
                study.evaluate([candidate], study.splits.select)
                best = study.table.best([start, kept], study.splits.select)
                if thrift.passes(study, candidate, kept, best):
                    gone, kept = [*gone, part], candidate
        if kept != start:
            study.finding(
                f"dropped together: {', '.join(part.said for part in gone)}; {thrift.saving(study, start, kept)}"
            )
        return kept

    def _spared(self, study: Study, start: Candidate, savings: Sequence[tuple[Part, Saving]]) -> list[Part]:
        """Parts that can be spared by themselves, the largest saving first; every part's worth is said."""
        thrift, passing = self._thrift(), []
        for part, saving in savings:
            passes = thrift.passes(study, saving.candidate, start, start)
            passing += [(part, saving)] if passes else []
            study.finding(
                f"without “{part.said}”: {saving}; it {'can be spared' if passes else 'stays'}",
                part=part.said, difference=saving.difference, saved=saving.saved,
            )  # fmt: skip
        return [part for part, _ in sorted(passing, key=lambda pair: -pair[1].saved)]

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """Assumes one edge or optional input a step; of a program with one less, one step is asked anew."""
        return {"task": round(_TOGETHER * shape.calls_per_run * shape.select)}


def parts_of(study: Study, space: ParameterSpace) -> list[Part]:
    """What the program may do without: its context edges and the optional inputs its steps are given."""
    if study.program.graph is None:
        return []
    base = space.default()
    edges = [address for address in space.only(kind="edge") if space.value(base, address)]
    found = [Part(said=edge_in_words(address), edge=address) for address in edges]
    if EDITS in space:
        graph = rewired(study.program.graph, structure(space, base.values))
        drops = [rewrite for rewrite in sites(graph) if rewrite.op == "drop_input"]
        found += [Part(said=f"{drop.target} is given {drop.args['field']}", input=drop) for drop in drops]
    return found


def _without(space: ParameterSpace, gone: Sequence[Part]) -> dict[str, JSON]:
    base = space.default()
    values: dict[str, JSON] = {**base.values, **{part.edge: False for part in gone if part.edge}}
    drops: list[JSON] = [part.input.to_json() for part in gone if part.input is not None]
    if drops:
        values[EDITS] = [*edits_in(space, base.values), *drops]
    return values
