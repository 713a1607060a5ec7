"""Splitting a task into parts, working on these, and answering with the results in view.

Parts in turn: Zhou et al., arXiv 2205.10625 (least-to-most), section 2. Handlers: Khot et al., arXiv 2210.02406
(decomposed prompting), section 3. Parts may be split again, down to a set depth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

import pydantic
from pydantic import Field

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.counting import most, product, total
from treadle.modules.describing import summary
from treadle.modules.fields import about, first_few, free_name
from treadle.modules.judging import Judge
from treadle.modules.ops import worked
from treadle.modules.route import check_names

SPLITTING = (
    "Split the task below into simpler parts that together lead to its answer, the first ones first; {count} at most, "
    "none where it is simple already. Do not do the task."
)
HANDING = "Say who does each part:"
WORKING = "Do one part of the task below: `{part}`, and nothing else."

_WORKER = "worker"
_ANYTHING = "whatever no other does"

Order: TypeAlias = Literal["sequential", "parallel"]

_RESULTS = "Parts of the task and what came of them."


class Decompose(Module):
    """Splits the task, has the parts done, and answers with ``inner``, which sees what came of them.

    LM calls: splitter + parts × worker + inner. The worker's are the largest of ``worker`` and the handlers; with
    ``depth`` above 1 what does a part splits it again: splitter + parts × … + worker.

    Splitter and worker have instructions of their own (``…/decompose.splitter/predict.instruction``).

    Attributes:
        inner: Who answers in the end.
        splitter: Who splits or plans.
        worker: Who does a part that no handler does.
        handlers: Who does parts of a kind, by name: a module; a predictor from one text to a text, of which its
            module and its instruction are taken; an op, which is called with the part's text. The splitter says who
            does which part.
        when: What a handler, or the worker, is for, in words, for the splitter and for itself; by default the first
            paragraph of an op's docstring and the instruction of a predictor.
        parts: How many parts there are, at most.
        order: ``"sequential"``: each part sees what came of those before. ``"parallel"``: none does.
        depth: How deep tasks are split: 1 splits the task, 2 its parts too.

    Raises:
        DeclarationError: The name of a handler is no identifier or ``worker``; ``when`` names no handler; a predictor
            has other fields, or demos or an LM of its own.

    >>> Decompose(parts=3).lm_calls(), Decompose(parts=2, depth=2).lm_calls()
    (5, 10)
    """

    inner: AnyModule = Predict()
    splitter: AnyModule = Predict()
    worker: AnyModule = Predict()
    handlers: Annotated[dict[str, Judge], Field(max_length=12, default_factory=dict)]
    when: dict[str, str] = Field(default_factory=dict)
    parts: int = Field(4, ge=1, le=8)
    order: Order = "sequential"
    depth: int = Field(1, ge=1, le=3)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _handlers_say_what_they_are_for(cls, knobs: dict[str, Any]) -> dict[str, Any]:
        handlers, when = dict(knobs.get("handlers", {})), dict(knobs.get("when", {}))
        for name, given in handlers.items():
            handlers[name], said = _handler(name, given)
            if said:
                when.setdefault(name, said)
        return {**knobs, "handlers": handlers, "when": when}

    @pydantic.model_validator(mode="after")
    def _names_are_handlers(self) -> Self:
        check_names("Decompose", self.handlers)
        if _WORKER in self.handlers:
            msg = f"Decompose calls who does all other parts {_WORKER!r}: give the handler another name, or worker=…"
            raise ValueError(msg)
        foreign = sorted(set(self.when) - {*self.handlers, _WORKER})
        if foreign:
            known = ", ".join((*self.handlers, _WORKER))
            msg = f"Decompose has no handler {', '.join(foreign)}; it has {known}"
            raise ValueError(msg)
        return self

    def build(self, signature: Signature) -> Graph:
        """The splitter, a loop or map over the parts, the inner graph."""
        g = GraphBuilder(self.name, signature)
        parts = self._split(g, signature)
        work = self._in_turn if self.order == "sequential" else self._at_once
        slot = Slot(name=free_name(signature, "results"), annotation=list[dict[str, Any]], description=_RESULTS)
        inputs = {**g.inputs, slot.name: work(g, signature, parts)}
        return g.finish(g.module(self.inner, signature.with_inputs(slot), inputs))

    def _split(self, g: GraphBuilder, signature: Signature) -> Value:
        kind: Any = list[_part_type(tuple(self.handlers))] if self.handlers else list[str]  # type: ignore[misc]
        task = "\n".join([SPLITTING.format(count=self.parts), *self._who()])
        asked = Signature(
            name="splitter",
            inputs=signature.inputs,
            outputs=(Slot(name="parts", annotation=kind),),
            instruction=about(task, signature),
        )
        return first_few(g, g.module(self.splitter, asked, g.inputs, role="splitter"), self.parts)

    def _who(self) -> list[str]:
        """The handlers and what they are for, as lines."""
        if not self.handlers:
            return []
        for_what = {**dict.fromkeys(self.handlers, ""), _WORKER: _ANYTHING, **self.when}
        return [HANDING, *(f"- {name}: {said}".rstrip(": ") for name, said in for_what.items())]

    # --- working on parts ----------------------------------------------------------------------------------------

    def _in_turn(self, g: GraphBuilder, signature: Signature, parts: Value) -> Value:
        kind = list[dict[str, Any]]

        def turn(part: Value, before: Value) -> Value:
            task, result = self._done(g, signature, part, before)
            return g.op(worked, [before, task, result], returns=kind)

        return g.loop([g.const([], kind)], turn, items=parts, bound=self.parts)[0]

    def _at_once(self, g: GraphBuilder, signature: Signature, parts: Value) -> Value:
        def one(part: Value) -> Value:
            task, result = self._done(g, signature, part, None)
            pair: JSON = ["dict", [["const", "part"], ["arg", 0]], [["const", "result"], ["arg", 1]]]
            return g.expr(pair, [task, result], dict[str, Any])

        return g.map(parts, one, bound=self.parts)[0]

    def _done(self, g: GraphBuilder, signature: Signature, part: Value, before: Value | None) -> tuple[Value, Value]:
        """A part's text and what came of it."""
        task = part.field("task") if self.handlers else part
        ask = self._asker(g, signature, task, before)
        if not self.handlers:
            return task, ask(self._worker, _WORKER)
        return task, self._handled(g, part.field("handler"), task, ask, list(self.handlers))

    def _handled(
        self, g: GraphBuilder, chosen: Value, task: Value, ask: Callable[[Module, str], Value], names: Sequence[str]
    ) -> Value:
        if not names:
            return ask(self._worker, _WORKER)
        name, *rest = names
        handler = self.handlers[name]

        def handle() -> Value:
            return ask(handler, name) if isinstance(handler, Module) else g.call(str(handler), {"0": task})

        is_it = g.expr(["compare", ["arg", 0], "==", ["const", name]], [chosen], bool)
        return g.branch(is_it, handle, lambda: self._handled(g, chosen, task, ask, rest))[0]

    def _asker(
        self, g: GraphBuilder, signature: Signature, task: Value, before: Value | None
    ) -> Callable[[Module, str], Value]:
        part = Slot(name=free_name(signature, "part"), annotation=str)
        slots, given = [part], {part.name: task}
        if before is not None:
            name = free_name(signature, "results")
            slots.append(Slot(name=name, annotation=list[dict[str, Any]], description=_RESULTS))
            given[name] = before

        def ask(module: Module, role: str) -> Value:
            told = " ".join(filter(None, [WORKING.format(part=part.name), self.when.get(role, "")]))
            asked = Signature(
                name="worker",
                inputs=(*signature.inputs, *slots),
                outputs=(Slot(name="result", annotation=str),),
                instruction=about(told, signature),
            )
            return g.module(module, asked, {**g.inputs, **given}, role=role)

        return ask

    @property
    def _worker(self) -> Module:
        """Who does a part: the worker, or what splits it again before the worker does."""
        if self.depth == 1:
            return self.worker
        return self.model_copy(update={"inner": self.worker, "depth": self.depth - 1})

    def lm_calls(self) -> int | None:
        """Those of the splitter, of the parts, and of ``inner``."""
        handlers = [handler.lm_calls() for handler in self.handlers.values() if isinstance(handler, Module)]
        work = most(self._worker.lm_calls(), *handlers)
        return total(self.splitter.lm_calls(), product(self.parts, work), self.inner.lm_calls())


def _handler(name: str, given: Any) -> tuple[Any, str]:
    """A handler as a module or an op, and what it says it is for."""
    declared = getattr(given, "declared", None)
    if not isinstance(declared, Predictor):
        op = getattr(given, "op", given)
        return given, summary(op.function) if isinstance(op, Op) else ""
    takes, gives = declared.signature.inputs, declared.signature.outputs
    if [slot.annotation for slot in (*takes, *gives)] != [str, str]:
        msg = f"the predictor {declared.signature.name!r} cannot be the handler {name!r}: a part is one text, and what "
        raise ValueError(msg + "comes of it is one too. Give a predictor from str to str, or a module")
    if declared.demos or declared.model is not None:
        msg = f"the predictor {declared.signature.name!r} has demos or an LM of its own, which a handler has not: "
        raise ValueError(msg + "give its module, and say in `when` what it is for")
    return given.module or Predict(), declared.signature.instruction


class _Part(pydantic.BaseModel, frozen=True):
    """A part of a task and who does it."""


@functools.lru_cache(maxsize=256)
def _part_type(handlers: tuple[str, ...]) -> type[pydantic.BaseModel]:
    """The type of a part where there are handlers; the same class for the same names."""
    chosen: Any = Literal[(*handlers, _WORKER)]
    return pydantic.create_model("Part", __base__=_Part, task=(str, ...), handler=(chosen, ...))
