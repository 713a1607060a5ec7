"""Treadle compiles compound-AI programs: typed functions, captured as graphs, searched, emitted as one JSON file.

Declare with ``predict``, ``op`` and ``program``; measure with ``evaluate``; search with ``compile``; ship with
``compiled.save`` and ``load``. Modules are in ``treadle.modules``, optimizers in ``treadle.optimizers``.

Names are imported when they are first used, so that importing Treadle costs little and opens nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path
    from typing import ParamSpec, TypeVar

    from treadle.compiler.artifact.diff import Diff as Diff
    from treadle.compiler.artifact.emit import dumps as dumps
    from treadle.compiler.artifact.load import LMs, Ops
    from treadle.compiler.compile import Compiled as Compiled
    from treadle.compiler.errors import *  # noqa: F403  the exception tree is public as a whole
    from treadle.compiler.frontend.compare import check as check
    from treadle.compiler.frontend.decorators import op as op
    from treadle.compiler.frontend.decorators import predict as predict
    from treadle.compiler.frontend.decorators import program as program
    from treadle.compiler.frontend.program import Program as Program
    from treadle.compiler.frontend.trainable import Parameter as Parameter
    from treadle.compiler.graph.parameters import Candidate as Candidate
    from treadle.compiler.graph.parameters import ParameterSpace as ParameterSpace
    from treadle.compiler.lm.lm import LM as LM
    from treadle.compiler.lm.scripted import Scripted as Scripted
    from treadle.compiler.prompt.demo import Demo as Demo
    from treadle.compiler.runtime.isolate import Isolated as Isolated
    from treadle.compiler.runtime.session import context as context
    from treadle.compiler.study.budget import Budget as Budget
    from treadle.compiler.study.data import Source
    from treadle.compiler.study.evaluate import Evaluation as Evaluation
    from treadle.compiler.study.evaluate import evaluate as evaluate
    from treadle.compiler.study.events import Event as Event
    from treadle.compiler.study.events import Listener
    from treadle.compiler.study.forecast import CostEstimate as CostEstimate
    from treadle.compiler.study.gate import Gate
    from treadle.compiler.study.judge import judge as judge
    from treadle.compiler.study.metric import Metric
    from treadle.compiler.study.metric import Score as Score
    from treadle.compiler.study.metric import exact_match as exact_match
    from treadle.compiler.study.metric import f1 as f1
    from treadle.compiler.study.metric import numeric as numeric
    from treadle.compiler.study.optimizer import Optimizer as Optimizer
    from treadle.compiler.study.optimizer import Shape as Shape
    from treadle.compiler.study.report import Report as Report
    from treadle.compiler.study.store import Mode
    from treadle.compiler.study.study import Study as Study
    from treadle.compiler.trace.export import read_jsonl as read_jsonl
    from treadle.compiler.trace.export import write_jsonl as write_jsonl
    from treadle.compiler.trace.trace import Span as Span
    from treadle.compiler.trace.trace import Trace as Trace
    from treadle.compiler.trace.tracer import trace as trace

    P = ParamSpec("P")
    R = TypeVar("R")

_HOMES: Mapping[str, str] = {
    "Budget": "study.budget",
    "Candidate": "graph.parameters",
    "Compiled": "compile",
    "CostEstimate": "study.forecast",
    "Demo": "prompt.demo",
    "Diff": "artifact.diff",
    "Evaluation": "study.evaluate",
    "Event": "study.events",
    "Isolated": "runtime.isolate",
    "LM": "lm.lm",
    "Optimizer": "study.optimizer",
    "ParameterSpace": "graph.parameters",
    "Parameter": "frontend.trainable",
    "Program": "frontend.program",
    "Report": "study.report",
    "Score": "study.metric",
    "Scripted": "lm.scripted",
    "Shape": "study.optimizer",
    "Span": "trace.trace",
    "Study": "study.study",
    "Trace": "trace.trace",
    "check": "frontend.compare",
    "context": "runtime.session",
    "dumps": "artifact.emit",
    "evaluate": "study.evaluate",
    "exact_match": "study.metric",
    "f1": "study.metric",
    "judge": "study.judge",
    "numeric": "study.metric",
    "op": "frontend.decorators",
    "predict": "frontend.decorators",
    "program": "frontend.decorators",
    "read_jsonl": "trace.export",
    "trace": "trace.tracer",
    "write_jsonl": "trace.export",
    **dict.fromkeys(
        (
            "ArtifactError",
            "AuthenticationFailed",
            "BudgetExhausted",
            "CaptureError",
            "CodeError",
            "CodeRefused",
            "ConfigurationError",
            "ConnectionLost",
            "ContextTooLong",
            "DataError",
            "DeclarationError",
            "DefinitiveLMError",
            "EverythingFailed",
            "GraphError",
            "InputError",
            "LMError",
            "LMTimeout",
            "MissingExtra",
            "ProviderGarbage",
            "RateLimited",
            "ReplayDiverged",
            "ReplyError",
            "ReplyTruncated",
            "RequestRefused",
            "ServerFault",
            "SignatureError",
            "StudyError",
            "StudyLocked",
            "TransientLMError",
            "TreadleError",
        ),
        "errors",
    ),
}
"""Where each public name lives, under ``treadle.compiler``."""

OPTIMIZERS: Mapping[str, tuple[str, str]] = {
    "ablation": ("ablation", "Ablation"),
    "agent_prune": ("agent_prune", "AgentPrune"),
    "auto": ("auto", "Auto"),
    "bootstrap": ("bootstrap", "BootstrapFewShot"),
    "gptswarm": ("gptswarm", "GPTSwarm"),
    "labeled": ("labeled", "LabeledFewShot"),
    "mass": ("mass", "MASS"),
    "mipro": ("mipro", "MIPRO"),
    "optoprime": ("optoprime", "OptoPrime"),
    "random_search": ("random_search", "RandomSearch"),
    "textgrad": ("textgrad", "TextGrad"),
}
"""Optimizers by the name ``compile`` takes: file under ``treadle.optimizers``, class."""

_INNER: Mapping[str, Mapping[str, str]] = {"mass": {"prompts": "mipro"}}
"""Settings that take another optimizer, itself or by name, and which it is where nothing is said."""

__all__ = sorted([*_HOMES, "OPTIMIZERS", "compile", "diff", "estimate", "load", "loads", "optimizer_named"])


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'treadle' has no attribute {name!r}"
        raise AttributeError(msg)
    found = getattr(importlib.import_module(f"treadle.compiler.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__


def optimizer_named(name: str, **settings: Any) -> Optimizer:
    """The optimizer of that name with these settings; one that takes another optimizer may be given its name.

    Raises:
        ConfigurationError: There is none of that name, or it has no such setting; says which there are.

    >>> optimizer_named("mipro", effort="medium").name
    'mipro'
    >>> optimizer_named("mass", prompts="bootstrap").prompts.name
    'bootstrap'
    """
    from treadle.compiler.errors import ConfigurationError

    if name not in OPTIMIZERS:
        msg = f"no optimizer is called {name!r}; there are {', '.join(OPTIMIZERS)}, or pass an object of your own"
        raise ConfigurationError(msg)
    for setting, usual in _INNER.get(name, {}).items():
        settings[setting] = _optimizer(settings.get(setting, usual))
    file, kind = OPTIMIZERS[name]
    made = getattr(importlib.import_module(f"treadle.optimizers.{file}"), kind)
    try:
        optimizer: Optimizer = made(**settings)
    except TypeError as error:
        known = ", ".join(getattr(made, "__dataclass_fields__", {}))
        msg = f"optimizer {name!r}: {error}; its settings are {known}"
        raise ConfigurationError(msg) from None
    return optimizer


def _optimizer(given: Optimizer | str) -> Optimizer:
    return optimizer_named(given) if isinstance(given, str) else given


def compile(
    program: Program[P, R],
    data: Source | None = None,
    metric: Metric | None = None,
    optimizer: Optimizer | str = "mipro",
    *,
    budget: Budget | None = None,
    lm: LM | str | None = None,
    proposer_lm: LM | str | None = None,
    models: Sequence[LM | str] = (),
    feedback: Source | None = None,
    select: Source | None = None,
    confirm: Source | None = None,
    fields: Mapping[str, str] | None = None,
    study: str | Path | Literal["auto"] | None = "auto",
    mode: Mode = "write",
    seed: int = 0,
    gate: Gate = "probable",
    stubs: Mapping[Any, Any] | None = None,
    concurrency: int = 64,
    metric_timeout: float = 120.0,
    events: Listener | Literal["progress"] | None = "progress",
) -> Compiled[P, R]:
    """Search for a better program, and say whether it is one. ``treadle.compiler.compile.compile`` says more.

    Args:
        program: What to compile; it is not changed.
        data: Examples: dicts, a JSONL, JSON or CSV file, a table.
        metric: Scores one prediction: ``(example, prediction)`` or ``(example, prediction, trace)``.
        optimizer: Its name, or an optimizer object for other than its default settings.
        budget: Caps on calls, tokens, dollars and seconds.
        lm: The LM of every step that has none of its own.
        proposer_lm: The LM of proposers and of predictors a metric calls.
        models: LMs that may answer a step in the place of ``lm``: each step's model is searched, too.
        feedback: Your own split: examples to learn from.
        select: Your own split: examples to choose by.
        confirm: Your own split: examples for the verdict.
        fields: New names of fields by their names in the data.
        study: Folder of the study; ``"auto"`` makes one, ``None`` keeps it in memory.
        mode: How stored answers are used.
        seed: Of every random number.
        gate: Which winner is emitted: ``"probable"``, ``"strict"`` or ``"report"``.
        stubs: Stand-ins for ops with effects.
        concurrency: LM calls in flight at most.
        metric_timeout: Seconds after which a metric that does nothing is abandoned.
        events: Called with every event; ``"progress"`` shows progress on standard error, ``None`` shows nothing.
    """
    from treadle.compiler.compile import compile as compile_program

    with _watched(events) as listener:
        return compile_program(
            program, data, _metric(metric), optimizer=_optimizer(optimizer), budget=budget, lm=lm,
            proposer_lm=proposer_lm, models=models, feedback=feedback, select=select, confirm=confirm, fields=fields,
            study=study, mode=mode, seed=seed, gate=gate, stubs=stubs, concurrency=concurrency,
            metric_timeout=metric_timeout, events=listener,
        )  # fmt: skip


def estimate(
    program: Program[..., Any],
    data: Source | None = None,
    metric: Metric | None = None,
    optimizer: Optimizer | str = "mipro",
    **search: Any,
) -> CostEstimate:
    """What ``compile`` with the same arguments would cost. Makes real runs on up to four examples.

    Args:
        program: What would be compiled.
        data: Examples.
        metric: Scores one prediction.
        optimizer: Its name or an optimizer object.
        search: ``budget``, ``lm``, ``proposer_lm``, ``feedback``, ``select``, ``confirm``, ``fields``, ``seed``,
            ``stubs``, as for ``compile``.
    """
    from treadle.compiler.study.estimate import estimate as estimate_search

    return estimate_search(program, data, _metric(metric), optimizer=_optimizer(optimizer), **search)


def _metric(metric: Metric | None) -> Metric:
    if metric is None:
        from treadle.compiler.errors import DataError

        msg = "a search needs a metric: a function of (example, prediction), or treadle.exact_match('label')"
        raise DataError(msg)
    return metric


def _watched(events: Listener | Literal["progress"] | None) -> Any:
    """What is told the events while a search lasts."""
    import contextlib
    import sys

    if events != "progress":
        return contextlib.nullcontext(events)
    from treadle.cli.progress import shown

    return shown(sys.stderr)


def load(
    path: str | Path,
    *,
    ops: Ops = (),
    lm: LMs | None = None,
    program: Program[..., Any] | None = None,
    rename: Mapping[str, str] | None = None,
    strict: bool = True,
    accept_code: Iterable[str] = (),
) -> Program[..., Any]:
    """The program in a file that ``compiled.save`` wrote; see ``loads``.

    Raises:
        ArtifactError: The file cannot be read, or ``loads`` refuses it.
    """
    import treadle.modules  # noqa: F401  what a file names must be registered
    from treadle.compiler.artifact.load import load as load_file

    return load_file(path, ops=ops, lm=lm, program=program, rename=rename, strict=strict, accept_code=accept_code)


def loads(
    text: str | bytes,
    *,
    ops: Ops = (),
    lm: LMs | None = None,
    program: Program[..., Any] | None = None,
    rename: Mapping[str, str] | None = None,
    strict: bool = True,
    accept_code: Iterable[str] = (),
) -> Program[..., Any]:
    """The program in a document. Returns a new program or changes nothing; executes nothing of the document.

    Args:
        text: What ``dumps`` gave.
        ops: Plain functions the program calls, matched by name.
        lm: One LM for all steps, or LMs by the model names the document records.
        program: The program the document's parameters are for; needed in host mode.
        rename: New names of predictors and ops by their names in the document.
        strict: Whether a ``program`` that has changed since is an error.
        accept_code: Names of ops whose searched code may run, in a process of its own.

    Raises:
        ArtifactError: The document is corrupt, hostile, from a later Treadle or for another program; names the path.
    """
    import treadle.modules  # noqa: F401  what a document names must be registered
    from treadle.compiler.artifact.load import loads as load_text

    return load_text(text, ops=ops, lm=lm, program=program, rename=rename, strict=strict, accept_code=accept_code)


def diff(a: Program[..., Any] | str | Path, b: Program[..., Any] | str | Path) -> Diff:
    """What ``b`` changes against ``a``, as a person would say it; each is a program or the path of a program file.

    Raises:
        ArtifactError: A file is not a program file.
    """
    import treadle.modules  # noqa: F401  what a file names must be registered
    from treadle.compiler.artifact.diff import compare
    from treadle.compiler.artifact.emit import contents_of
    from treadle.compiler.artifact.load import contents_in
    from treadle.compiler.frontend.program import Program

    contents = [contents_of(side) if isinstance(side, Program) else contents_in(side) for side in (a, b)]
    return compare(contents[0], contents[1])
