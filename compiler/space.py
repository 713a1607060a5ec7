"""The searchable parameters of predictors: the step's own, its module's knobs, and those of every inner call.

The prefix of an address is its condition: ``reply/vote…`` is active while ``reply.module`` is a Vote.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.graph import nodes
from treadle.compiler.graph.bind import answers_step
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.parameters import Candidate, Kind, Parameter
from treadle.compiler.module import Module, Predict, module_from_json, module_of
from treadle.compiler.signature import Signature


def parameters_of(
    name: str,
    predictor: Predictor,
    *,
    modules: Sequence[Module] = (),
    models: Sequence[str] = (),
    temperature: tuple[float, float] | None = None,
) -> tuple[Parameter, ...]:
    """What search may change in one predictor.

    Instruction, demos, module and model; the temperature if a range is given; the knobs and the inner calls of the
    predictor's module and of every module that may take its place. An inner call that answers the step has ``None`` as
    default instruction and demos: then it uses the step's.

    Args:
        name: The predictor's name.
        predictor: Its defaults.
        modules: Modules that may answer it beside its own; without any the module is left as it is by a search over
            choices, though a candidate may still name another.
        models: Recorded names of LMs that may answer it beside its own.
        temperature: Smallest and largest decoding temperature.

    Raises:
        SignatureError: One of the modules cannot serve the predictor's signature.
        DeclarationError: The predictor's module is unknown or out of range.
    """
    own = Predict() if predictor.module is None else module_from_json(predictor.module)
    choices = _distinct([own, *modules])
    named = [predictor.model, *(model for model in models if model != predictor.model)]
    found = [
        Parameter(address=f"{name}.instruction", kind="instruction", default=predictor.signature.instruction),
        Parameter(address=f"{name}.demos", kind="demos", default=[demo.to_json() for demo in predictor.demos]),
        _choice(f"{name}.module", "module", [module.to_json() for module in choices]),
        _choice(f"{name}.model", "model", list(named)),
    ]
    if temperature is not None:
        low, high = temperature
        heat = Parameter(
            address=f"{name}.temperature", kind="number", default=predictor.temperature, low=low, high=high
        )
        found.append(heat)
    for module in choices:
        found.extend(_inner(name, module, predictor.signature))
    return tuple({parameter.address: parameter for parameter in reversed(found)}.values())[::-1]


def _distinct(modules: Sequence[Module]) -> list[Module]:
    return list({canonical(module.to_json()): module for module in modules}.values())


def _choice(address: str, kind: Kind, values: Sequence[JSON]) -> Parameter:
    choices = tuple(values) if len(values) > 1 else ()
    return Parameter(address=address, kind=kind, default=values[0], choices=choices)


def _inner(name: str, module: Module, signature: Signature) -> Iterator[Parameter]:
    """Knobs and inner calls of one module. A bare call has none of its own: its text is the step's."""
    yield from module.knobs(name)
    for _, node in module.build(signature).walk():
        if isinstance(node, nodes.LM) and node.address != Predict.name:
            answers = answers_step(node)
            at = f"{name}/{node.address}"
            text = None if answers else node.signature.instruction
            yield Parameter(address=f"{at}.instruction", kind="instruction", default=text)
            yield Parameter(address=f"{at}.demos", kind="demos", default=None if answers else [])


def active(predictors: Mapping[str, Predictor], candidate: Candidate) -> Candidate:
    """The candidate without the entries whose condition does not hold: of modules that do not answer the step.

    A search keeps such entries, so that what was tuned is there again when the module comes back; a file does not.

    Args:
        predictors: The program's predictors by name; entries of others, which an edit makes, are left alone.
        candidate: Any candidate.

    Raises:
        SignatureError: A module the candidate names cannot serve its predictor's signature.
    """
    known: dict[str, frozenset[str]] = {}
    owners = {address.partition("/")[0] for address in candidate.values if "/" in address}
    for name in sorted(owners & predictors.keys()):
        predictor = predictors[name]
        inner = _inner(name, module_of(name, predictor, candidate.values), predictor.signature)
        known[name] = frozenset(parameter.address for parameter in inner)
    kept = {
        address: value
        for address, value in candidate.values.items()
        if "/" not in address or address in known.get(address.partition("/")[0], {address})
    }
    return candidate if len(kept) == len(candidate.values) else dataclasses.replace(candidate, values=kept)
