"""Context edges as what a search chooses from: which there are, and the legal program that has some of them.

An edge may lead only from a step that runs earlier, in the same region or one around it. The graph code says which are
legal; as program order decides who runs earlier, no choice among them can close a cycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.nodes import Graph, Step
from treadle.compiler.graph.normal_form import values_read
from treadle.compiler.graph.rewrite import EDITS, Rewrite, apply, is_edge, is_legal, rewired
from treadle.compiler.prompt.render import CONTEXT_PREFIX
from treadle.optimizers.topologies import Topologies, structure

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.study import Study
    from treadle.optimizers.edge_policy import Chosen


class Edges:
    """The context edges of one search.

    Attributes:
        addresses: Where each is, in canonical order.
        start: Which of them the program has as it is.
    """

    def __init__(self, study: Study, space: ParameterSpace, search: str, *, present: bool = False) -> None:
        """Begin.

        Args:
            study: Gives the program.
            space: Says which edges may change.
            search: Name of the search, for the candidates' origins.
            present: Only the edges the program has now: those that can be pruned.
        """
        self._study = study
        self._space = space
        self._search = search
        self._base = space.default()
        self._topologies = Topologies(study, space)
        self._made: dict[Chosen, Candidate | None] = {}
        at = {address: bool(space.value(self._base, address)) for address in space.only(kind="edge")}
        asked = [address for address, now in at.items() if now or not present]
        known = [address for address in asked if self._can_change(address, now=at[address])]
        self.addresses = tuple(known)
        self.start: Chosen = tuple(at[address] for address in known)

    def __len__(self) -> int:
        return len(self.addresses)

    def _can_change(self, address: str, *, now: bool) -> bool:
        """Whether the graph code allows the edge to change; a refusal is told."""
        values: dict[str, JSON] = {**self._base.values, address: not now}
        made = self._topologies.candidate(values, parents=(self._base.id,), origin=f"{self._search} {address}")
        return made is not None

    def candidate(self, chosen: Chosen, origin: str) -> Candidate | None:
        """The program that has exactly these edges; ``None`` where that is not legal.

        Args:
            chosen: Which edges it has.
            origin: What asked for it, behind the search's name.
        """
        if chosen not in self._made:
            self._made[chosen] = self._topologies.candidate(
                self._values(chosen), parents=(self._base.id,), origin=f"{self._search} {origin}", again=True
            )
        return self._made[chosen]

    def realised(self, chosen: Chosen, origin: str) -> Candidate | None:
        """The same, without steps nobody reads any more: what a search ends with; see ``without_unread``."""
        values = without_unread(self._study, self._space, self._values(chosen))
        return self._topologies.candidate(
            values, parents=(self._base.id,), origin=f"{self._search} {origin}", again=True
        )

    def _values(self, chosen: Chosen) -> dict[str, JSON]:
        return {**self._base.values, **dict(zip(self.addresses, chosen, strict=True))}

    def said(self, number: int) -> str:
        """An edge as a person says it."""
        return edge_in_words(self.addresses[number])


def edge_in_words(address: str) -> str:
    """A context edge as a person says it.

    >>> edge_in_words("reply.from_triage")
    'reply reads triage'
    """
    target, _, field = address.rpartition(".")
    return f"{target} reads {field.removeprefix(CONTEXT_PREFIX)}"


def without_unread(study: Study, space: ParameterSpace, values: dict[str, JSON]) -> dict[str, JSON]:
    """The values with an edit for every step that nobody reads any more because of them.

    A step is bypassed, so it makes no call, and edges the values would add to it go with it; that takes an input of the
    type it gives. A step the program never read is left alone: its author may want it.

    Args:
        study: Gives the program.
        space: Must have the list of edits; without it the values stay as they are.
        values: A candidate's.
    """
    program: Graph | None = study.program.graph
    if program is None or EDITS not in space:
        return values
    before = {step.name for step in _unread(rewired(program, structure(space, space.default().values)))}
    graph, added = rewired(program, structure(space, values)), list[JSON]()
    while bypass := next((b for s in _unread(graph) if s.name not in before for b in _bypass(graph, s)), None):
        graph = apply(graph, bypass)
        added.append(bypass.to_json())
    if not added:
        return values
    kept = {a: v for a, v in values.items() if not (v and is_edge(a)) or a.partition(".")[0] in graph.predictors}
    return {**kept, EDITS: [*edits_in(space, values), *added]}


def edits_in(space: ParameterSpace, values: Mapping[str, JSON]) -> list[JSON]:
    """The list of edits in force under these values."""
    listed = values.get(EDITS, space[EDITS].default)
    return list(listed) if isinstance(listed, list | tuple) else []


def _unread(graph: Graph) -> list[Step]:
    read = values_read(graph.nodes)
    return [step for step in graph.steps() if not read.intersection(step.results)]


def _bypass(graph: Graph, step: Step) -> Sequence[Rewrite]:
    asked = [Rewrite(op="bypass", target=step.name, args={"input": field}) for field, _ in step.inputs]
    return [rewrite for rewrite in asked if is_legal(graph, rewrite)]
