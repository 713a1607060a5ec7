"""What an optimizer that learns from traces costs: the size of its prompt, the time of propagation, its LM calls.

    python benchmarks/optoprime.py [--trace]

Three tables: characters of the stated problem, and of all that is sent with it (instruction, schema of the reply), for
chains of calls and for batches; spans visited and milliseconds of processor time of propagation by the length of the
trace; LM calls a round, beside textual gradients. ``--trace`` adds what Trace's own OptoPrime (package ``trace-opt``,
which this repository does not depend on) makes of the same chains and batches.

Exits with 1 if a problem is larger than its budget, if a span is visited twice, or if a round takes more than one call.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.parameters import Candidate, Parameter, ParameterSpace
from treadle.compiler.prompt.render import render as render_prompt
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.trace.propagate import Propagation, propagate
from treadle.compiler.trace.trace import Span, Trace
from treadle.optimizers.documentation import promise
from treadle.optimizers.optoprime import OptoPrime
from treadle.optimizers.problem import Problem, variables_of
from treadle.optimizers.problem_text import CHARACTERS, render
from treadle.optimizers.rounds import Proposal
from treadle.optimizers.suggestions import Suggestion
from treadle.optimizers.textgrad import TextGrad

STEPS = (1, 5, 20, 50)
RUNS = (1, 4, 16)
SPANS = (100, 1_000, 10_000)
OUTPUT = 800  # characters a step gives


def chain(steps: int, example: int = 0) -> Trace:
    """A run of a chain, every step with an instruction of its own; values of 800 characters."""
    values = [f"{example}-{n} ".ljust(OUTPUT, "x") for n in range(steps + 1)]
    root = Span(
        id=0, parent=None, kind="program", name="chain", inputs={"text": values[0]}, output=values[-1], sources=(steps,)
    )
    spans = [
        Span(
            id=n, parent=0, kind="step", name=f"step{n}", predictor=f"step{n}", node=f"n{n}",
            inputs={"text": values[n - 1]}, output=values[n], sources=(n - 1,) if n > 1 else (),
            parameters=(f"step{n}.instruction",),
        )
        for n in range(1, steps + 1)
    ]  # fmt: skip
    return Trace(program="chain", spans=(root, *spans))


def stated(steps: int, runs: int) -> tuple[Problem, dict[str, Predictor]]:
    """The problem of so many runs of a chain."""
    names = [f"step{n}" for n in range(1, steps + 1)]
    text = Slot(name="text", annotation=str)
    predictors = {
        name: Predictor(
            signature=Signature(
                name=name, inputs=(text,), outputs=(Slot(name=name, annotation=str),), instruction="Go."
            )
        )
        for name in names
    }
    space = ParameterSpace(
        tuple(Parameter(address=f"{name}.instruction", kind="instruction", default="Go.") for name in names)
    )
    found = tuple(propagate(chain(steps, n), [0.0, "the result is too long"]) for n in range(runs))
    variables, unreachable = variables_of(space, Candidate(), found)
    problem = Problem(
        program="chain", promise="chain(text: str) -> str", task="Shorten.", guidance="", runs=found,
        variables=variables, unreachable=unreachable,
        documentation={name: promise(predictor.signature) for name, predictor in predictors.items()},
    )  # fmt: skip
    return problem, predictors


def sizes(*, trace: bool) -> bool:
    """The first table; whether all problems keep to their budget."""
    budget = OptoPrime().tokens * CHARACTERS
    print(f"characters of the problem (budget {budget:,})")
    print(f"  {'':24}{'ours':>9}{'Trace':>9}   whole prompt: {'ours':>9}{'Trace':>9}")
    fits = True
    for label, steps, runs in [
        *((f"chain of {steps}", steps, 1) for steps in STEPS),
        *((f"2 steps, batch of {n}", 2, n) for n in RUNS),
    ]:
        ours, whole = our_size(steps, runs)
        theirs = [f"{size:9,}" for size in trace_size(steps, runs)] if trace else [f"{'not run':>9}"] * 2
        print(f"  {label:24}{ours:9,}{theirs[0]}                 {whole:9,}{theirs[1]}")
        fits &= ours <= budget
    return fits


def our_size(steps: int, runs: int) -> tuple[int, int]:
    """Characters of the stated problem, and of the messages that are sent."""
    problem, predictors = stated(steps, runs)
    sent = 0

    def ask(predictor: Predictor, contexts: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
        nonlocal sent
        sent = sum(len(message.content) for message in render_prompt(predictor.signature, (), contexts[0]))
        return [None]

    OptoPrime().suggest(ask, problem, predictors, lambda given: Suggestion(values={}, changes={}), "round 1")
    return len(render(problem, tokens=OptoPrime().tokens)), sent


def trace_size(steps: int, runs: int) -> tuple[int, int]:
    """Characters of the user prompt Trace's OptoPrime makes of such runs, and of that with its system prompt."""
    from opto.optimizers import OptoPrime as TraceOptoPrime  # type: ignore[import-not-found]  # not a dependency
    from opto.trace import bundle, node  # type: ignore[import-not-found]  # as above

    def step(prompt: str, text: str) -> str:
        """Ask a language model."""
        return text

    def join(*texts: str) -> str:
        """The outputs of a batch."""
        return "\n".join(texts)

    calls = bundle(description="[step] Ask a language model.")(step)
    prompts = [node("Go.", trainable=True) for _ in range(steps)]
    outputs = []
    for example in range(runs):
        value = node(f"{example} ".ljust(OUTPUT, "x"))
        for prompt in prompts:
            value = calls(prompt, value)
        outputs.append(value)
    joined = outputs[0] if runs == 1 else bundle(description="[join] The outputs of a batch.")(join)(*outputs)
    optimizer = TraceOptoPrime(prompts)
    optimizer.zero_feedback()
    optimizer.backward(joined, "the result is too long")
    system, user = optimizer.construct_prompt(optimizer.summarize())
    return len(user), len(system) + len(user)


def propagation() -> bool:
    """The second table; whether every span is visited once."""
    print("\npropagation: spans visited, milliseconds of processor time (best of 5)")
    once = True
    for count in SPANS:
        trace = chain(count)
        took = []
        for _ in range(5):
            started = time.process_time()
            found: Propagation = propagate(trace, "bad")
            took.append(time.process_time() - started)
        print(f"  {count:>6,} steps {found.visited:>8,} visited {min(took) * 1e3:9.2f} ms")
        once &= found.visited == count + 1
    return once


def calls_of(optimizer: OptoPrime | TextGrad, steps: int, runs: int) -> int:
    """LM calls of one round whose replies all fit."""
    problem, predictors = stated(steps, runs)
    asked = 0

    def ask(predictor: Predictor, contexts: Sequence[object], key: str) -> list[object]:
        nonlocal asked
        asked += len(contexts)
        value = predictor.signature.value
        if predictor.signature.name == "optoprime":
            data = {"reasoning": "", "stop": False, "suggestions": [{"step1_instruction": "Be brief."}]}
            return [value.read(data) for _ in contexts]
        return ["Be brief." for _ in contexts]

    def check(given: object) -> Suggestion:
        return Suggestion(values={"step1.instruction": "Be brief."}, changes={})

    found: Proposal = optimizer.suggest(ask, problem, predictors, check, "round 1")
    assert found.usable
    return asked


def calls() -> bool:
    """The third table; whether a round of OptoPrime takes one call."""
    print("\nLM calls a round        OptoPrime    TextGrad (2 runs)    TextGrad (all 4 runs)")
    one = True
    for steps in STEPS:
        ours, some, all_ = (
            calls_of(optimizer, steps, 4) for optimizer in (OptoPrime(), TextGrad(examples=2), TextGrad(examples=4))
        )
        print(f"  chain of {steps:<14}{ours:9}{some:21}{all_:25}")
        one &= ours == 1
    return one


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", action="store_true", help="beside Trace's OptoPrime, where trace-opt is installed")
    trace = parser.parse_args().trace
    if trace and importlib.util.find_spec("opto") is None:
        print("skipped: Trace's OptoPrime; trace-opt is not installed here (pip install trace-opt)\n")
        trace = False
    return 0 if all([sizes(trace=trace), propagation(), calls()]) else 1


if __name__ == "__main__":
    sys.exit(main())
