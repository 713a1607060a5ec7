"""The one place where a search checks structure: is it legal, what can it cost, was it there before?

Searches name modules, edges and edits; here they become candidates or are refused with a reason, before anything is
paid. Two candidates that come to the same calls are one: duplicates never cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import TreadleError
from treadle.compiler.graph.bounds import lm_calls
from treadle.compiler.graph.check import check
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.rewrite import EDITS, is_edge, rewired
from treadle.compiler.graph.serialize import predictor_to_json
from treadle.compiler.module import expand_step

if TYPE_CHECKING:
    from treadle.compiler.graph.nodes import Predictor
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.study import Study


class Topologies:
    """Candidates of one search that differ in structure.

    Attributes:
        refused: Why what was asked for was not tried, by origin, in order.
        duplicates: How often what was asked for was there already.
    """

    def __init__(self, study: Study, space: ParameterSpace, *, max_lm_calls: int | None = None) -> None:
        """Begin.

        Args:
            study: Gives the program.
            space: Makes the candidates; holds the parameters of every module that may be asked for.
            max_lm_calls: LM calls of one run at most.
        """
        self.refused: list[tuple[str, str]] = []
        self.duplicates = 0
        self._study = study
        self._space = space
        self._most = max_lm_calls
        self._known: dict[str, Candidate] = {}
        self._answers: dict[str, str] = {}  # hash of how a step is answered, by its own values

    def candidate(
        self, values: Mapping[str, JSON], *, parents: tuple[str, ...], origin: str, again: bool = False
    ) -> Candidate | None:
        """The candidate with these values, or ``None`` where it is refused.

        One that comes to the same as an earlier one is counted as a duplicate and left out.

        Args:
            values: All of its values.
            parents: Ids of the candidates it was made from.
            origin: What made it.
            again: Give the earlier candidate in the place of a duplicate.
        """
        try:
            found = self._space.candidate(values, parents=parents, origin=origin)
            if refusal := self._study.refusal(found):
                self._refuse(origin, refusal)
                return None
            calls = None if self._most is None else self.lm_calls(found)
            if self._most is not None and (calls is None or calls > self._most):
                said = "without bound" if calls is None else f"{calls}"
                self._refuse(origin, f"LM calls of a run: {said}, and {self._most} is the most")
                return None
            known = self._known.setdefault(self.identity(found), found)
        except TreadleError as error:
            self._refuse(origin, str(error))
            return None
        if known is not found:
            self.duplicates += 1
            return known if again else None
        return found

    def _refuse(self, origin: str, reason: str) -> None:
        self.refused.append((origin, reason))
        self._study.log("refused", origin=origin, reason=reason)

    def lm_calls(self, candidate: Candidate) -> int | None:
        """LM calls of one run at most, re-asks not counted; in host mode of one call of every predictor.

        Raises:
            TreadleError: Its structure is not legal.
        """
        values = candidate.values
        graph = self._wired(values)
        if graph is None:
            counts = [lm_calls(self._expanded(name, values)) for name in self._study.program.predictors]
            return None if None in counts else sum(count for count in counts if count is not None)
        return lm_calls(graph, expand=lambda name, predictor: expand_step(name, predictor, values))

    def identity(self, candidate: Candidate) -> str:
        """Hash of all that a run of it does: who reads whom, and the calls of every step with their texts.

        Raises:
            TreadleError: Its structure is not legal.
        """
        values = candidate.values
        graph = self._wired(values)
        predictors = self._study.program.predictors if graph is None else graph.predictors
        steps: dict[str, JSON] = {}
        for name in sorted(predictors):
            steps[name] = self._answer(name, predictors[name], values)
        apart = {address: value for address, value in values.items() if _of_program(address)}
        return digest([None if graph is None else graph_hash(graph), steps, apart])

    def _answer(self, name: str, predictor: Predictor, values: Mapping[str, JSON]) -> str:
        """Hash of the graph that answers a step; the same values make the same, so each is checked once."""
        own: dict[str, JSON] = {
            a: v for a, v in values.items() if a.startswith((f"{name}.", f"{name}/")) and not is_edge(a)
        }
        key = digest([name, predictor_to_json(predictor), own])
        if key not in self._answers:
            expanded = expand_step(name, predictor, values)
            check(expanded)
            self._answers[key] = graph_hash(expanded)
        return self._answers[key]

    def _wired(self, values: Mapping[str, JSON]) -> Graph | None:
        """The graph with the edges and edits of a candidate; ``None`` in host mode."""
        graph: Graph | None = self._study.program.graph
        return None if graph is None else rewired(graph, structure(self._space, values))

    def _expanded(self, name: str, values: Mapping[str, JSON]) -> Graph:
        return expand_step(name, self._study.program.predictors[name], values)


def structure(space: ParameterSpace, values: Mapping[str, JSON]) -> dict[str, JSON]:
    """The context edges and edits in force under these values: the space's where they say nothing.

    A program that was compiled before has edges and edits of its own, which are the space's defaults.
    """
    return {a: values.get(a, p.default) for a, p in space.items() if p.kind in ("edge", "edits")}


def _of_program(address: str) -> bool:
    """Whether the value belongs to no predictor: a number, a choice, code."""
    return address.startswith(".") and address != EDITS
