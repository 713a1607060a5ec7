"""Rewrites of how predictors answer: module, knobs, model; copies with parameters of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

from treadle.compiler.annotations import type_name
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError
from treadle.compiler.graph.bounds import Expand
from treadle.compiler.graph.nodes import Graph, Predictor, Step
from treadle.compiler.graph.rewrite_base import (
    Rewrite,
    RewriteOp,
    check_module,
    module_data,
    refuse_context,
    steps_of,
    text,
    texts,
    with_predictor,
    with_steps,
)
from treadle.compiler.graph.serialize import predictor_from, predictor_to_json
from treadle.compiler.reading import Reading
from treadle.compiler.schema import known_types


class SwapModule(RewriteOp):
    """Answer a predictor by another module."""

    required = ("module",)

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The predictor with the module; its instruction and demos stay."""
        if rewrite.target not in graph.predictors:
            steps_of(graph, rewrite.target)
        module = module_data(rewrite, rewrite.args["module"])
        changed = dataclasses.replace(graph.predictors[rewrite.target], module=module)
        check_module(graph, rewrite.target, changed, expand)
        return with_predictor(graph, rewrite.target, changed)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The module it had."""
        steps_of(graph, rewrite.target)
        return Rewrite(
            op="swap_module", target=rewrite.target, args={"module": graph.predictors[rewrite.target].module}
        )

    def describe(self, rewrite: Rewrite) -> str:
        """Names the module."""
        return f"answer {rewrite.target} by {module_in_words(rewrite.args['module'])}"


class ChangeKnobs(RewriteOp):
    """Set knobs of a predictor's module, or of modules inside it, by address: ``vote.n``, ``vote/best_of.n``."""

    required = ("knobs",)

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The predictor with the knobs set."""
        steps_of(graph, rewrite.target)
        knobs = rewrite.args["knobs"]
        predictor = graph.predictors[rewrite.target]
        if not isinstance(knobs, Mapping) or not knobs:
            raise GraphError(f"{rewrite.target!r}: knobs are written as {{'vote.n': 3}}, not {str(knobs)[:80]!r}")
        module: JSON = predictor.module
        for address, value in sorted(knobs.items()):
            module = with_knob(rewrite.target, module, address, value)
        changed = dataclasses.replace(predictor, module=cast("Mapping[str, JSON]", module))
        check_module(graph, rewrite.target, changed, expand)
        return with_predictor(graph, rewrite.target, changed)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The module as it was."""
        return SwapModule().inverse(graph, rewrite)

    def describe(self, rewrite: Rewrite) -> str:
        """Names knobs and values."""
        knobs = cast("Mapping[str, JSON]", rewrite.args["knobs"])
        return (
            f"set {', '.join(f'{address} = {value!r}' for address, value in sorted(knobs.items()))} of {rewrite.target}"
        )


class SwapModel(RewriteOp):
    """Answer a predictor's calls by another model."""

    required = ("model",)

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The predictor with the model's recorded name; ``null`` for the LM in force."""
        steps_of(graph, rewrite.target)
        model = rewrite.args["model"]
        if model is not None and not (isinstance(model, str) and model):
            raise GraphError(f"{rewrite.target!r}: a model is given by its recorded name or null, not {model!r}")
        return with_predictor(graph, rewrite.target, dataclasses.replace(graph.predictors[rewrite.target], model=model))

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The model it had."""
        steps_of(graph, rewrite.target)
        return dataclasses.replace(rewrite, args={"model": graph.predictors[rewrite.target].model})

    def describe(self, rewrite: Rewrite) -> str:
        """Names the model."""
        return f"run {rewrite.target} on {rewrite.args['model'] or 'the model in force'}"


class CopyPredictor(RewriteOp):
    """Give some steps of a predictor a copy of it, with parameters of its own (untie)."""

    required = ("name", "steps")
    optional = ("predictor", "called")

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The copy, called by the named steps, which are called after it."""
        name, wanted, old = text(rewrite, "name"), texts(rewrite, "steps"), rewrite.target
        sites = steps_of(graph, old)
        chosen = [step for step in sites if step.name in wanted]
        if len(chosen) != len(set(wanted)) or not chosen:
            known = ", ".join(step.name for step in sites)
            raise GraphError(f"copy of {old!r}: its steps are {known}, not {', '.join(wanted) or 'none'}")
        if len(chosen) == len(sites):
            raise GraphError(f"copy of {old!r}: all its steps would move; one must stay, or nothing is told apart")
        if name in graph.predictors or not name.isidentifier():
            raise GraphError(f"copy of {old!r}: {name!r} is no free name for a predictor")
        for step in sites:
            refuse_context(graph, old, step)
        copied = self._copied(graph, rewrite, name)
        names = self._names(rewrite, [step.name for step in chosen], name)
        moved = with_steps(graph, lambda step: _moved(step, names, name))
        return with_predictor(moved, name, copied)

    def _names(self, rewrite: Rewrite, chosen: Sequence[str], name: str) -> Mapping[str, str]:
        """New names of the steps by the old: in program order, unless the rewrite restores other ones."""
        called = texts(rewrite, "called")
        if not called:
            return dict(zip(chosen, _sites(name, len(chosen)), strict=True))
        fits = all(given == name or given.startswith(f"{name}#") for given in called)
        if not fits or len(set(called)) != len(chosen):
            raise GraphError(f"copy of {rewrite.target!r}: {', '.join(called)} cannot be names of steps of {name!r}")
        return dict(zip(texts(rewrite, "steps"), called, strict=True))

    def _copied(self, graph: Graph, rewrite: Rewrite, name: str) -> Predictor:
        own = graph.predictors[rewrite.target]
        if "predictor" not in rewrite.args:
            return dataclasses.replace(own, signature=own.signature.with_name(name))
        kinds = [slot.annotation for slot in (*own.signature.inputs, *own.signature.outputs)]
        found = predictor_from(Reading(rewrite.args["predictor"], "$.args.predictor"), known_types(kinds))
        _refuse_other_fields(rewrite.target, own, name, found)
        signature = own.signature.with_instruction(found.signature.instruction)  # the classes stay the user's
        return dataclasses.replace(found, signature=signature.with_name(name))

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The copy's steps at the predictor again, under their names."""
        steps = list(texts(rewrite, "steps"))
        args: dict[str, JSON] = {"into": rewrite.target, "steps": steps}
        return Rewrite(op="tie", target=text(rewrite, "name"), args=args)

    def describe(self, rewrite: Rewrite) -> str:
        """Names the copy."""
        name, steps = rewrite.args["name"], ", ".join(texts(rewrite, "steps"))
        return f"give {steps} parameters of their own, as {name}"

    def touched(self, graph: Graph, rewrite: Rewrite) -> frozenset[str]:
        """Nothing that was there: the copy is new."""
        return frozenset()


class TiePredictor(RewriteOp):
    """Let all steps of a predictor share another one's parameters; its own are given up."""

    required = ("into",)
    optional = ("steps",)

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The steps called after the other predictor; the predictor is gone."""
        into, old = text(rewrite, "into"), rewrite.target
        sites, others = steps_of(graph, old), steps_of(graph, into)
        if into == old:
            raise GraphError(f"{old!r} shares its parameters with itself already")
        _refuse_other_fields(into, graph.predictors[into], old, graph.predictors[old])
        for step in (*sites, *others):
            refuse_context(graph, step.predictor, step)
        names = dict(zip((step.name for step in sites), self._names(rewrite, sites, others, into), strict=True))
        moved = with_steps(graph, lambda step: _moved(step, names, into))
        kept = {name: predictor for name, predictor in graph.predictors.items() if name != old}
        return dataclasses.replace(moved, predictors=kept)

    def _names(self, rewrite: Rewrite, sites: Sequence[Step], others: Sequence[Step], into: str) -> Sequence[str]:
        taken = {step.name for step in others}
        free = [name for name in _sites(into, len(sites) + len(others)) if name not in taken]
        given = texts(rewrite, "steps")
        if given and (len(given) != len(sites) or taken & set(given)):
            raise GraphError(f"tie of {rewrite.target!r}: it has {len(sites)} steps, and {', '.join(given)} do not fit")
        return given or free[: len(sites)]

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The steps under a copy again, with the parameters it had."""
        into = text(rewrite, "into")
        sites, others = steps_of(graph, rewrite.target), steps_of(graph, into)
        steps = list(self._names(rewrite, sites, others, into))
        predictor = predictor_to_json(graph.predictors[rewrite.target])
        args: dict[str, JSON] = {"name": rewrite.target, "steps": steps, "predictor": predictor}
        called = [step.name for step in sites]
        if called != _sites(rewrite.target, len(sites)):  # an earlier tie gave them in another order
            args["called"] = called
        return Rewrite(op="copy", target=into, args=args)

    def describe(self, rewrite: Rewrite) -> str:
        """Names both."""
        return f"let {rewrite.target} share the parameters of {rewrite.args['into']}"


def _refuse_other_fields(a: str, first: Predictor, b: str, second: Predictor) -> None:
    fields = [[(slot.name, type_name(slot.annotation)) for slot in p.signature.inputs] for p in (first, second)]
    gives = [[type_name(slot.annotation) for slot in p.signature.outputs] for p in (first, second)]
    names = [[slot.name for slot in p.signature.outputs] for p in (first, second)]
    if fields[0] != fields[1] or gives[0] != gives[1] or (len(names[0]) > 1 and names[0] != names[1]):
        raise GraphError(f"{a!r} and {b!r} cannot share parameters: their fields are not the same")
    if names[0] != names[1]:
        msg = f"{a!r} and {b!r} cannot share parameters: demos of one name the output {names[0][0]!r}, "
        raise GraphError(msg + f"of the other {names[1][0]!r}; make one of them with {a}.copy({b!r})")


def _sites(name: str, count: int) -> list[str]:
    return [name if number == 1 else f"{name}#{number}" for number in range(1, count + 1)]


def _moved(step: Step, names: Mapping[str, str], predictor: str) -> Step:
    if step.name not in names:
        return step
    return dataclasses.replace(step, name=names[step.name], predictor=predictor)


# --- modules as data -------------------------------------------------------------------------------------------------


def with_knob(owner: str, module: JSON, address: str, value: JSON) -> JSON:
    """A module's data with one knob set.

    Args:
        owner: Whose module it is, for error messages.
        module: The data; ``None`` is a plain call.
        address: The knob: module names from outside in, the last with the knob: ``vote/best_of.n``.
        value: Its value; whether it may have it, the module says when it is read.

    Raises:
        GraphError: The address names modules that are not there.
    """
    head, _, rest = address.partition("/")
    data = module if isinstance(module, Mapping) else {"module": "predict"}
    name, knob = (head, "") if rest else head.rpartition(".")[::2]
    field = "inner"
    for sign in (".", ":"):
        if rest and sign in name:
            name, _, field = name.partition(sign)
    if data.get("module") != name:
        raise GraphError(f"{owner!r} is answered by {data.get('module')!r} there, so it has no knob {address!r}")
    if not rest:
        return {**data, knob: value}
    return _with_part(owner, data, field, rest, value)


def _with_part(owner: str, data: Mapping[str, JSON], field: str, rest: str, value: JSON) -> JSON:
    for key, parts in data.items():  # a module among several of a field, by name
        if isinstance(parts, Mapping) and "module" not in parts and field in parts:
            return {**data, key: {**parts, field: with_knob(owner, parts[field], rest, value)}}
    inner = data.get(field)
    if inner is None:  # at its default, which is not written: the address says what it is
        inner = {"module": rest.partition("/")[0].partition(".")[0].partition(":")[0]}
    return {**data, field: with_knob(owner, inner, rest, value)}


def module_in_words(module: JSON) -> str:
    """A module as a person writes it; knobs without a value are left out.

    >>> module_in_words({"module": "vote", "n": 5, "inner": {"module": "chain_of_thought"}})
    'Vote(ChainOfThought(), n=5)'
    """
    if not isinstance(module, Mapping) or "module" not in module:
        return "one plain call" if module is None else str(module)
    name = "".join(part.capitalize() for part in str(module["module"]).split("_"))
    inner = [module_in_words(module["inner"])] if "inner" in module else []
    knobs = [
        f"{key}={_knob_in_words(value)}"
        for key, value in sorted(module.items(), key=lambda knob: (isinstance(knob[1], str), knob[0]))
        if key not in ("module", "inner") and value is not None
    ]
    return f"{name}({', '.join(inner + knobs)})"


def _knob_in_words(value: JSON) -> str:
    if isinstance(value, Mapping) and "module" not in value:
        return "{" + ", ".join(f"{key}: {_knob_in_words(part)}" for key, part in value.items()) + "}"
    return module_in_words(value) if isinstance(value, Mapping) else repr(value)
