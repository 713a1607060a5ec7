"""Runs candidates of a program for a study: the one place where a study touches the frontend."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from treadle.compiler.errors import ConfigurationError, DataError
from treadle.compiler.frontend.op_function import OpFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.bind import effective
from treadle.compiler.graph.bounds import lm_calls
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Caller
from treadle.compiler.module import expand_step
from treadle.compiler.runtime.interpreter import run_step
from treadle.compiler.runtime.scope import current_scope, open_run
from treadle.compiler.runtime.session import Session
from treadle.compiler.study.effects import kept_op
from treadle.compiler.study.failure import is_of_the_run
from treadle.compiler.study.inner_calls import calls_steps
from treadle.compiler.study.opening import calls_of, most_lm_calls
from treadle.compiler.study.runner import Ran
from treadle.compiler.trace.tracer import Tracer


class ProgramRunner:
    """The ``Runner`` of a program.

    Args:
        program: What is searched or evaluated.
        lm: The LM of every step that has none of its own; ``None`` for the one in force.
        proposer_lm: The LM of proposers and of judges without one of their own; ``None`` for ``lm``.
        stubs: What runs in the place of ops with effects, by op name.
    """

    def __init__(
        self,
        program: Program[Any, Any],
        *,
        lm: LM | None,
        proposer_lm: LM | None = None,
        stubs: Mapping[str, Op] | None = None,
    ) -> None:
        self._program = program
        self._lm = lm
        self._proposer_lm = proposer_lm or lm
        changed = {name: _in_study(op) for name, op in {**program.ops, **(stubs or {})}.items()}
        self._stubs = {name: op for name, op in changed.items() if op is not program.ops[name]}
        self._bounds: dict[str, int | None] = {}

    def run_calls(self, candidate: Candidate) -> int | None:
        """LM calls of one run at most, re-asks included; ``None`` where there is no bound."""
        if candidate.id not in self._bounds:
            self._bounds[candidate.id] = most_lm_calls(self._program, candidate, reasks=True)
        return self._bounds[candidate.id]

    def refusal(self, candidate: Candidate) -> str:
        """Why no run of ``candidate`` can be made as its LMs are set up; empty where one can."""
        session = self._program.session_in(Session(lm=self._lm, candidate=candidate))
        values = session.candidate.values
        try:
            for name, predictor in self._program.predictors.items():
                stated = session.temperature_for(name, effective(name, predictor, values).model)
                expand_step(name, predictor, values, lm_temperature=stated)
        except ConfigurationError as error:
            return str(error)
        return ""

    def step_calls(self, predictor: Predictor) -> int | None:
        """LM calls of one proposer's step at most, re-asks included."""
        return lm_calls(expand_step(predictor.signature.name, predictor, {}), weight=calls_of)

    async def run(self, candidate: Candidate, inputs: Mapping[str, Any], caller: Caller) -> Ran:
        """One run of the program under ``candidate``."""
        tracer = Tracer()
        session = Session(lm=self._lm, caller=caller, tracer=tracer, candidate=candidate, stubs=self._stubs)
        ran = await self._ran(inputs, session)
        if ran.error is None or self._program.graph is None:
            return ran
        return dataclasses.replace(ran, in_order=functools.partial(self._again, inputs, session))

    async def _again(self, inputs: Mapping[str, Any], session: Session, caller: Caller) -> Ran:
        fresh = Tracer()
        return await self._ran(inputs, dataclasses.replace(session, caller=caller, tracer=fresh, in_order=True))

    async def _ran(self, inputs: Mapping[str, Any], session: Session) -> Ran:
        tracer = session.tracer
        assert tracer is not None  # both callers give one
        try:
            value = await self._program.arun(inputs, session)
        except BaseException as error:
            if not is_of_the_run(error):
                raise
            return Ran(error=error, trace=tracer.traces[0] if tracer.traces else None)
        return Ran(value=value, trace=tracer.traces[0])

    async def step(self, predictor: Predictor, inputs: Mapping[str, Any], caller: Caller) -> Any:
        """One proposer's step."""
        session = Session(lm=self._proposer_lm, caller=caller)
        return await run_step(predictor.signature.name, predictor, inputs, session)

    def judging(self, caller: Caller) -> AbstractContextManager[None]:
        """Inside the block LM calls that a metric makes go through ``caller``."""
        return _Judging(Session(lm=self._proposer_lm, caller=caller))


class _Judging:
    """A block in which a metric runs under a session."""

    __slots__ = ("_session", "_token")

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        self._token = current_scope.set(open_run("metric", {}, self._session).scope)

    def __exit__(self, *_: object) -> None:
        current_scope.reset(self._token)


def stubs_for(program: Program[Any, Any], stubs: Mapping[Any, Any] | None) -> dict[str, Op]:
    """What stands in for the program's ops while it is searched or evaluated, by op name.

    Args:
        program: Its ops with effects must each have a stub or be declared ``idempotent``.
        stubs: Functions by op: the op itself or its name.

    Raises:
        DataError: An op with effects has neither; a stub is for no op of the program.
    """
    given = {_name_of(op): function for op, function in (stubs or {}).items()}
    unknown = sorted(set(given) - set(program.ops))
    if unknown:
        msg = f"stubs= names {', '.join(unknown)}; program {program.name!r} calls {', '.join(program.ops) or 'no op'}"
        raise DataError(msg)
    risky = [op.name for op in program.ops.values() if op.effects and not op.idempotent and op.name not in given]
    if risky:
        names = ", ".join(risky)
        msg = (
            f"program {program.name!r} calls {names}, which has effects, and would do so again and again: give a "
            f"stand-in with stubs={{{risky[0]}: fake}}, or declare it @op(effects=True, idempotent=True)"
        )
        raise DataError(msg)
    return {name: dataclasses.replace(program.ops[name], function=function) for name, function in given.items()}


def _in_study(op: Op) -> Op:
    """The op as runs of a study call it: what has effects is kept, and what calls steps gets a thread."""
    if not (op.blocking or op.is_async) and calls_steps(op.function):
        op = dataclasses.replace(op, blocking=True)
    return kept_op(op) if op.effects else op


def _name_of(op: object) -> str:
    """The name of an op that is given as itself, as the function it decorates, or by name."""
    if isinstance(op, OpFunction):
        return op.op.name
    return op if isinstance(op, str) else str(getattr(op, "__name__", op))
