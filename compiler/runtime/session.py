"""The session of a run: which LM answers which step, who makes the calls, who records, under which candidate."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cached_property

from treadle.compiler.errors import ConfigurationError
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.graph.rewrite import EDITS
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Caller
from treadle.compiler.lm.retry import direct
from treadle.compiler.runtime.isolate import DEFAULT, Executor
from treadle.compiler.trace.tracer import Tracer

LM_VARIABLE = "TREADLE_LM"
"""Environment variable that names the LM of last resort."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Session:
    """What a run needs beside its program and its inputs. One session may serve many runs at once.

    Attributes:
        lm: The LM of every step that has none of its own.
        lms: LMs by recorded model name: what a declaration, a candidate or a file may ask for by name.
        bound: LMs by predictor, bound to the predictor itself.
        caller: What makes the LM calls: retries and limits, and in a study the store and the budget.
        tracer: Where the run's trace goes, beside those ``trace()`` has opened.
        candidate: The parameters' values.
        stubs: Ops that stand in for those of the same name: in a search, for ops with effects.
        executor: What runs the candidate's code, in a process of its own.
        in_order: Nothing overlaps: everything runs one after the other, in program order.
    """

    lm: LM | None = None
    lms: Mapping[str, LM] = dataclasses.field(default_factory=dict)
    bound: Mapping[str, LM] = dataclasses.field(default_factory=dict)
    caller: Caller = direct
    tracer: Tracer | None = None
    candidate: Candidate = dataclasses.field(default_factory=Candidate)
    stubs: Mapping[str, Op] = dataclasses.field(default_factory=dict)
    executor: Executor = DEFAULT
    in_order: bool = False

    @cached_property
    def is_empty(self) -> bool:
        """Whether it says nothing: a run under it goes by what stands around."""
        return self == Session()

    def lm_for(self, predictor: str, model: str | None = None) -> LM:
        """The LM that answers a call of ``predictor``.

        In this order: the one bound to the predictor; the one that ``model`` names; the session's; that of the
        innermost ``with context(lm=…)``; the one ``TREADLE_LM`` names.

        Args:
            predictor: The predictor's name.
            model: The model its declaration or the candidate chose, or ``None``.

        Raises:
            ConfigurationError: There is none, or none of that name; says how to give one.
        """
        bound = self.bound.get(predictor)
        if bound is not None and model in (None, bound.model):
            return bound
        if model is not None:
            return self._named(predictor, model)
        return self.lm or _ambient.get() or _of_environment() or _refuse(predictor)

    def _named(self, predictor: str, model: str) -> LM:
        found = self.lms.get(model)
        if found is not None:
            return found
        for lm in (self.lm, _ambient.get(), *self.bound.values()):
            if lm is not None and lm.model == model:
                return lm
        known = ", ".join(sorted({*self.lms, *([self.lm.model] if self.lm else [])})) or "none"
        msg = (
            f"step {predictor!r} asks for the model {model!r}, and no LM of that name is bound (bound: {known}); "
            f"bind it: program.bind(lm={{{model!r}: treadle.LM({model!r})}})"
        )
        raise ConfigurationError(msg)

    def temperature_for(self, predictor: str, model: str | None = None) -> float | None:
        """The temperature the LM of ``predictor`` states; ``None`` where it states none or there is no LM yet."""
        try:
            return self.lm_for(predictor, model).temperature
        except ConfigurationError:  # the call will say so, if it is ever made
            return None

    def for_parts(self) -> Session:
        """The session for programs that run inside the one it was made for: the edits of its graph are not theirs."""
        if EDITS not in self.candidate.values:
            return self
        values = {address: value for address, value in self.candidate.values.items() if address != EDITS}
        return dataclasses.replace(self, candidate=Candidate(values=values))

    def within(self, outer: Session) -> Session:
        """This session for a run that is part of a run under ``outer``.

        What is bound here stays; the rest comes from outside. Calls go through the outer caller, so that a study
        meters them, and the outer candidate's values and stubs stand over this one's.
        """
        return Session(
            lm=self.lm or outer.lm,
            lms={**outer.lms, **self.lms} if outer.lms else self.lms,
            bound={**outer.bound, **self.bound} if outer.bound else self.bound,
            caller=outer.caller if self.caller is direct else self.caller,
            tracer=self.tracer,
            candidate=_merged(self.candidate, outer.candidate),
            stubs={**self.stubs, **outer.stubs} if self.stubs else outer.stubs,
            executor=outer.executor if self.executor is DEFAULT else self.executor,
            in_order=self.in_order or outer.in_order,
        )


def _merged(inner: Candidate, outer: Candidate) -> Candidate:
    if not outer.values:
        return inner
    return outer if not inner.values else Candidate(values={**inner.values, **outer.values})


_ambient: ContextVar[LM | None] = ContextVar("treadle_lm", default=None)


@contextlib.contextmanager
def context(*, lm: LM | str) -> Iterator[LM]:
    """Use ``lm`` for every step inside the block that has none of its own and whose program has none bound.

    It holds for what runs in the block's context: asyncio tasks started inside it, and threads started by Treadle, but
    not threads of your own.

    >>> with context(lm="offline") as lm:
    ...     lm.model
    'offline'
    """
    chosen = LM(lm) if isinstance(lm, str) else lm
    token = _ambient.set(chosen)
    try:
        yield chosen
    finally:
        _ambient.reset(token)


def _of_environment() -> LM | None:
    return LM.from_environment() if os.environ.get(LM_VARIABLE, "").strip() else None


def _refuse(predictor: str) -> LM:
    """No LM at all.

    Raises:
        ConfigurationError: Always.
    """
    msg = (
        f"no LM for step {predictor!r}: give one with @predict(lm=…), program.bind(lm=…), "
        f'"with treadle.context(lm=…)", or the environment variable {LM_VARIABLE}; LM("offline") needs no key. '
        "In a thread you start yourself the run and its LM are lost: start it with "
        "contextvars.copy_context().run(function, …), or use asyncio.to_thread, which does so"
    )
    raise ConfigurationError(msg)
