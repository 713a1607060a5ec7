"""Contents: what a program file says, as values. Made from a document when reading and from a program when writing.

What can be written down of a program, and nothing of the process that runs it: no function, no LM, no key.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Literal

from treadle.compiler.artifact.document import ModelDocument, Provenance
from treadle.compiler.errors import ArtifactError
from treadle.compiler.graph.bind import effective
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.parameters import Candidate, Parameter
from treadle.compiler.graph.rewrite import edited, with_edits
from treadle.compiler.signature import Signature


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """A program as a file holds it.

    Attributes:
        name: The program's name.
        capture: Whether it is a graph or runs as its Python function.
        signature: Its inputs and its output.
        graph: The base graph, before any edit; ``None`` in host mode.
        predictors: Its predictors as declared, by name.
        candidate: What search has chosen.
        ops: Names of the plain Python functions it calls, sorted.
        program_hash: Of the base graph, or of the function's source.
        model: Name of the LM in force when it was written; ``None`` where there was none.
        models: How each LM was called, by name.
        template: Id and hash of the chat template.
        provenance: Where it comes from.
        tunable: Numbers, choices, texts and code that search may change, by name.
        reasons: Why it runs in host mode, with lines; known of a program, and not part of a file.
    """

    name: str
    capture: Literal["graph", "host"]
    signature: Signature
    graph: Graph | None
    predictors: Mapping[str, Predictor]
    candidate: Candidate
    ops: tuple[str, ...]
    program_hash: str
    model: str | None
    models: Mapping[str, ModelDocument]
    template: tuple[str, str]
    provenance: Provenance
    tunable: Mapping[str, Parameter] = dataclasses.field(default_factory=dict)
    reasons: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def in_force(self, predictor: str) -> Predictor:
        """The predictor with what search has chosen for it."""
        return effective(predictor, self.all_predictors[predictor], self.candidate.values)

    @property
    def all_predictors(self) -> Mapping[str, Predictor]:
        """Its predictors as declared, then those that only an edit makes."""
        return {**self.predictors, **{name: p for name, p in self.after_edits.items() if name not in self.predictors}}

    @functools.cached_property
    def after_edits(self) -> Mapping[str, Predictor]:
        """Its predictors once the list of edits is made: an edit may copy one, tie it to another, insert or bypass it.

        Raises:
            GraphError: An edit does not fit the graph.
        """
        return self.predictors if self.graph is None else with_edits(self.graph, self.candidate.values).predictors

    def edited_graph(self) -> Graph:
        """The graph with the accepted edits.

        Raises:
            ArtifactError: There is none: the program runs in host mode.
            GraphError: An edit does not fit the graph.
        """
        if self.graph is None:
            msg = f"{self.name!r} runs as its Python function (host mode) and has no graph"
            raise ArtifactError("\n  ".join([msg, *self.reasons]))
        return edited(self.graph, self.candidate.values)
