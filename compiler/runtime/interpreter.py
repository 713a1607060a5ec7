"""Running graphs and single steps.

``run_graph`` and ``run_step`` are coroutines and run on the event loop of whoever awaits them; synchronous code goes
through ``background.wait``. Plans are made once per graph, candidate and ops, and kept as long as the graph.
"""

from __future__ import annotations

import dataclasses
import functools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock
from typing import Any, Generic, TypeVar

from treadle.compiler.errors import InputError
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.rewrite import rewired
from treadle.compiler.prompt.render import CONTEXT_PREFIX
from treadle.compiler.runtime.actions import RunStep, answer
from treadle.compiler.runtime.block import say_where
from treadle.compiler.runtime.plan import Plan, plan_graph, plan_step
from treadle.compiler.runtime.scope import Scope, current_scope, open_run
from treadle.compiler.runtime.session import Session
from treadle.compiler.runtime.step_plan import Temperature
from treadle.compiler.runtime.tuned_op import tuned_op
from treadle.compiler.trace.snapshot import snapshots
from treadle.compiler.trace.tracer import Record

P = TypeVar("P")

_KEPT = 256  # plans per graph: more than the candidates a search has in flight


async def run_graph(graph: Graph, ops: Mapping[str, Op], inputs: Mapping[str, Any], session: Session) -> Any:
    """One run of a program.

    The value, or the exception, is the one that running the program's function in program order would give first;
    effects happen in the same order. Independent steps overlap. Inside an op or a host-mode program of another run it
    joins that run.

    Args:
        graph: A graph that keeps the rules.
        ops: What its ops stand for, by name.
        inputs: Values of all inputs by name, checked.
        session: Whose LMs answer.

    Raises:
        InputError: An input is missing.
        ConfigurationError: No LM is bound for a step that runs, or an op is not in ``ops``.
        BaseException: What a step, an op or an expression raised, with a note that says where.
    """
    opened = open_run(graph.name, dict(inputs), session)
    scope = opened.scope
    try:
        plan = _plan_of(graph, ops, scope.run.session)
        values = _inputs(plan, inputs)
        block = plan.block
        frame = block.enter(values, None, None if scope.record is None else [None] * len(values))
        await block.run(frame, scope)
    except BaseException as error:
        opened.failed(error)
        raise
    value = frame.values[block.results[0]]
    opened.succeeded(value, frame.origin(block.results))
    return value


def _inputs(plan: Plan, inputs: Mapping[str, Any]) -> list[Any]:
    try:
        return [inputs[name] for name in plan.inputs]
    except KeyError as error:
        msg = f"{plan.program}() needs the input {error.args[0]!r}; it takes {', '.join(plan.inputs)}"
        raise InputError(msg) from None


async def run_step(
    name: str,
    predictor: Predictor,
    inputs: Mapping[str, Any],
    session: Session,
    *,
    ops: Mapping[str, Op] | None = None,
    context: Sequence[tuple[str, Any]] = (),
    site: str = "",
    line: int | None = None,
) -> Any:
    """One call of a predictor outside a graph: from a host-mode program, from an op, or by itself.

    Its sample index says which identical call of that one run it is, in the order of the calls: equal calls in a row
    are different samples, and a rerun draws the same ones. By itself it is a run of its own.

    Args:
        name: The predictor's name.
        predictor: Its defaults; the session's candidate stands over them.
        inputs: Values by field; checked here, defaults filled in.
        session: Whose LMs answer; in a run, what it leaves open comes from that run's session.
        ops: What the ops of its module stand for; library ops need not be in it.
        context: Values of context edges by the name of their source; ``None`` shows nothing.
        site: The step's name where it is not the predictor's.
        line: The user's line.

    Raises:
        InputError: An input is missing, unknown or of the wrong type.
        ConfigurationError: No LM is bound.
        BaseException: What the call raised, with a note that says where.
    """
    call = _HostCall(name, predictor, ops or {}, context, site or name, line)
    given = predictor.signature.bind((), inputs)
    scope = current_scope.get()
    if scope is not None:
        return (await call.run(given, scope.under(session)))[0]
    opened = open_run(name, given, session)
    try:
        value, record = await call.run(given, opened.scope)
    except BaseException as error:
        opened.failed(error)
        raise
    opened.succeeded(value, record)
    return value


@dataclasses.dataclass(frozen=True)
class _HostCall:
    name: str
    predictor: Predictor
    ops: Mapping[str, Op]
    context: Sequence[tuple[str, Any]]
    site: str
    line: int | None

    async def run(self, given: dict[str, Any], scope: Scope) -> tuple[Any, Record | None]:
        edges = {f"{CONTEXT_PREFIX}{source}": value for source, value in self.context}
        turn = scope.run.occurrence(scope.base, self.name, snapshots(given), snapshots(edges))
        order = scope.record.next_order() if scope.record is not None else (0, 0)
        try:
            step = self._plan(scope.run.session)
            base = f"{scope.base}{self.name}~{turn}"
            return await answer(step, {**given, **edges}, base, scope, order, None)
        except BaseException as error:
            say_where(error, f"step {self.site!r}", line=self.line)
            raise

    def _plan(self, session: Session) -> RunStep:
        sources = tuple(source for source, _ in self.context)
        values, name = session.candidate.values, self.name

        def make(temperature: Temperature) -> RunStep:
            return plan_step(name, self.predictor, sources, _with_stubs(self.ops, session), values, temperature)

        key = (name, sources, *_op_ids(self.ops), *_op_ids(session.stubs))
        step = _step_plans.get(self.predictor, key, session, make)
        return step if self.site == name else dataclasses.replace(step, name=self.site)


# --- plans that are kept ---------------------------------------------------------------------------------------------


class _Kept(Generic[P]):
    """A plan, and the temperatures it was made for."""

    __slots__ = ("plan", "temperatures")

    def __init__(self, plan: P, temperatures: dict[tuple[str, str | None], float | None]) -> None:
        self.plan = plan
        self.temperatures = temperatures

    def fits(self, session: Session) -> bool:
        return all(session.temperature_for(*asked) == told for asked, told in self.temperatures.items())


class _Plans(Generic[P]):
    """Plans by what they are made from, for as long as that lives. Safe for threads."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[object], OrderedDict[Hashable, _Kept[P]]]] = {}
        self._lock = Lock()

    def get(self, source: object, key: Hashable, session: Session, make: Callable[[Temperature], P]) -> P:
        """The plan of ``source`` under the session's candidate."""
        full = (session.candidate.id, key)
        with self._lock:
            plans = self._of(source)
            kept = plans.get(full)
            if kept is not None:
                plans.move_to_end(full)
        if kept is not None and kept.fits(session):
            return kept.plan
        temperatures: dict[tuple[str, str | None], float | None] = {}

        def temperature(predictor: str, model: str | None) -> float | None:
            told = temperatures[predictor, model] = session.temperature_for(predictor, model)
            return told

        plan = make(temperature)
        with self._lock:
            plans[full] = _Kept(plan, temperatures)
            if len(plans) > _KEPT:
                plans.popitem(last=False)
        return plan

    def _of(self, source: object) -> OrderedDict[Hashable, _Kept[P]]:
        number = id(source)  # graphs compare by value, which is slow, and hold dicts, which have no hash
        known = self._known.get(number)
        if known is None:
            alive = weakref.ref(source, lambda _: self._known.pop(number, None))
            known = self._known[number] = (alive, OrderedDict())
        return known[1]


_graph_plans: _Plans[Plan] = _Plans()
_step_plans: _Plans[RunStep] = _Plans()


def _plan_of(graph: Graph, ops: Mapping[str, Op], session: Session) -> Plan:
    key = (id(session.executor), *_op_ids(ops), *_op_ids(session.stubs))
    return _graph_plans.get(graph, key, session, functools.partial(_plan, graph, ops, session))


def _plan(graph: Graph, ops: Mapping[str, Op], session: Session, temperature: Temperature) -> Plan:
    values = session.candidate.values
    known = _with_stubs(ops, session)
    tuned = {name: tuned_op(op, values, session.executor) for name, op in known.items()}
    return plan_graph(rewired(graph, values), tuned, values, temperature)


def _with_stubs(ops: Mapping[str, Op], session: Session) -> Mapping[str, Op]:
    return {**ops, **session.stubs} if session.stubs else ops


def _op_ids(ops: Mapping[str, Op]) -> tuple[Hashable, ...]:
    """What tells one table of ops from another; the plan keeps the ops alive, so no id is used twice."""
    return (*ops, *map(id, ops.values()))
