"""Reasoning and acting in turns with tools (Yao et al., arXiv 2210.03629, ReAct, section 2)."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, Union

import pydantic
from pydantic import Field

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.op import Op
from treadle.compiler.module import AnyModule, AnyOp, Module, NamedOp, Predict
from treadle.compiler.schema import type_of
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.values import dump
from treadle.modules.counting import product, total
from treadle.modules.describing import summary
from treadle.modules.fields import about, free_name
from treadle.modules.ops import acted

ACTING = (
    "Gather what the task below needs by using tools, one at a time. Look at what was done so far, say what is "
    "missing, and choose the next action; choose `finish` as soon as nothing is missing. The tools:"
)
FINISH = "finish"

_DONE = "What was done so far, oldest first."


class Tool(pydantic.BaseModel, frozen=True, extra="forbid"):
    """An op as a tool: what the model is told of it, kept with its name so that a file says it all.

    Attributes:
        op: The op, by name once stored.
        description: What it does: the first paragraph of its docstring.
        takes: JSON Schemas of its arguments by name.
        defaults: Values of arguments that may be left out, by name.
        effects: Whether it changes the world.
    """

    op: AnyOp
    description: str = ""
    takes: dict[str, dict[str, Any]] = {}
    defaults: dict[str, Any] = {}
    effects: bool = False


def _tool(value: Any) -> Any:
    """A tool of an op: its arguments' types are what its hints say."""
    op = getattr(value, "op", value)
    if not isinstance(op, Op):
        if isinstance(value, str):
            msg = f"ReAct needs the op {value!r} itself, not its name: what it takes is told to the model"
            raise ValueError(msg)
        return value
    parameters = inspect.signature(op.function).parameters
    names = list(parameters)
    untyped = [name for name in names if name not in op.takes]
    if untyped or not op.name.isidentifier():
        said = f"its arguments {', '.join(untyped)} have no type" if untyped else "its name is no identifier"
        msg = f"{op.name!r} cannot be a tool: {said}. Write an op whose every argument has a type hint"
        raise ValueError(msg)
    takes = {name: Slot(name=name, annotation=op.takes[name]).schema for name in names}
    given = {name: parameters[name].default for name in names}
    defaults = {name: dump(value) for name, value in given.items() if value is not inspect.Parameter.empty}
    told = {"description": summary(op.function), "takes": takes, "defaults": defaults}
    return {"op": op, **told, "effects": op.effects}


AnyTool = Annotated[Tool, pydantic.BeforeValidator(_tool)]


class ReAct(Module):
    """Uses tools in turns, then answers with ``inner``, which sees what was done. LM calls: steps × actor + inner.

    A tool is an op whose arguments have types; what the model gives it is checked against them, and what has a default
    may be left out. A tool that raises
    ends the run, as any op does. The actor has an instruction of its own (``…/re_act.actor/predict.instruction``).

    Attributes:
        inner: Who answers in the end.
        tools: Ops.
        actor: Who chooses the next action.
        steps: How many actions, at most.

    Raises:
        DeclarationError: An op has an argument without a type, or two tools have one name.
    """

    inner: AnyModule = Predict()
    tools: Annotated[tuple[AnyTool, ...], Field(min_length=1, max_length=20)]
    actor: AnyModule = Predict()
    steps: int = Field(5, ge=1, le=20)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    @pydantic.model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [str(tool.op) for tool in self.tools]
        if len({*names, FINISH}) <= len(names):
            msg = f"ReAct tells tools apart by name, and {', '.join(names)} are not all different, or one is {FINISH!r}"
            raise ValueError(msg)
        return self

    def build(self, signature: Signature) -> Graph:
        """A loop of actor and tool, then the inner graph."""
        g = GraphBuilder(self.name, signature)
        done = Slot(name=free_name(signature, "done"), annotation=list[dict[str, Any]], description=_DONE)
        asked = self._acting(signature, done)

        def turn(_: Value, before: Value) -> Sequence[Value]:
            said = g.module(self.actor, asked, {**g.inputs, done.name: before}, role="actor")
            action = said.field("action")
            tool = g.expr(["attr", ["arg", 0], "tool"], [action], str)
            seen = self._observed(g, action, tool, self.tools)
            after = g.op(acted, [before, said.field("thought"), action, seen], returns=done.annotation)
            return [after, g.expr(["compare", ["arg", 0], "==", ["const", FINISH]], [tool], bool)]

        (all_done,) = g.loop([g.const([], done.annotation)], turn, bound=self.steps, stops=True)
        return g.finish(g.module(self.inner, signature.with_inputs(done), {**g.inputs, done.name: all_done}))

    def _acting(self, signature: Signature, done: Slot) -> Signature:
        lines = [f"- {_declared(tool)}: {tool.description}".rstrip(": ") for tool in self.tools]
        return Signature(
            name="actor",
            inputs=(*signature.inputs, done),
            outputs=(
                Slot(name="thought", annotation=str, description="What is missing."),
                Slot(name="action", annotation=_actions(canonical([_as_data(tool) for tool in self.tools]))),
            ),
            instruction=about("\n".join([ACTING, *lines]), signature),
        )

    def _observed(self, g: GraphBuilder, action: Value, tool: Value, tools: Sequence[Tool]) -> Value:
        """What the chosen tool gives; nothing where the model has finished."""
        if not tools:
            return g.const(None)
        first, *rest = tools

        def call() -> Value:
            path: JSON = ["attr", ["arg", 0], "arguments"]
            given = {name: g.expr(["attr", path, name], [action]) for name in first.takes}
            return g.call(str(first.op), given, effects=first.effects)

        is_it = g.expr(["compare", ["arg", 0], "==", ["const", str(first.op)]], [tool], bool)
        return g.branch(is_it, call, lambda: self._observed(g, action, tool, rest))[0]

    def ops(self) -> dict[str, Op]:
        """The tools among the others."""
        given = [tool.op for tool in self.tools if isinstance(tool.op, NamedOp) and tool.op.op is not None]
        return {**super().ops(), **{str(named): named.op for named in given if named.op is not None}}

    def lm_calls(self) -> int | None:
        """Those of the actor in each step, and those of ``inner``."""
        return total(product(self.steps, self.actor.lm_calls()), self.inner.lm_calls())


def _declared(tool: Tool) -> str:
    takes = [f"{name}={tool.defaults[name]!r}" if name in tool.defaults else name for name in tool.takes]
    return f"{tool.op}({', '.join(takes)})"


def _as_data(tool: Tool) -> dict[str, JSON]:
    takes: list[JSON] = [[name, schema] for name, schema in tool.takes.items()]
    return {"op": str(tool.op), "takes": takes, "defaults": tool.defaults}


@functools.lru_cache(maxsize=256)
def _actions(tools: str) -> Any:
    """The type of an action: a tool and its arguments, or the end. The same classes for the same tools."""
    kinds = [_action(tool["op"], dict(tool["takes"]), tool["defaults"]) for tool in json.loads(tools)]
    return Union[(*kinds, _action(FINISH, {}, {}))]


def _action(name: str, takes: Mapping[str, JSON], defaults: Mapping[str, JSON]) -> Any:
    title = "".join(part.capitalize() for part in name.split("_"))
    fields: dict[str, Any] = {
        argument: (type_of(schema), _default(argument, defaults)) for argument, schema in takes.items()
    }
    frozen = pydantic.ConfigDict(frozen=True)
    chosen: dict[str, Any] = {"tool": (Literal[name], ...)}
    if fields:
        chosen["arguments"] = (pydantic.create_model(f"{title}Arguments", __config__=frozen, **fields), ...)
    return pydantic.create_model(title, __config__=frozen, **chosen)


def _default(argument: str, defaults: Mapping[str, JSON]) -> Any:
    """What pydantic takes as a field's default; ``...`` where it has none."""
    return Field(defaults[argument], validate_default=True) if argument in defaults else ...
