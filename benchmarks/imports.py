"""What it costs to import Treadle, and to declare a program of three predictors.

CPU and wall time of whole processes, started cold again and again: ``import treadle`` beside ``import pydantic``, which
declarations are checked with, and ``programs.py`` beside the same program in DSPy. The start of the interpreter is in
every figure.

    python -m benchmarks.imports [--quick] [--dspy PYTHON]
"""

from __future__ import annotations

import sys

from benchmarks.measuring import HERE, Figures, median, milliseconds, options, process, say


def main() -> None:
    """Measure and print."""
    given = options(__doc__ or "")
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "pydantic": [sys.executable, "-c", "import pydantic"],
        "treadle": [sys.executable, "-c", "import treadle"],
        "declared": [sys.executable, str(HERE / "programs.py")],
    }
    if given.dspy:
        commands["dspy"] = [given.dspy, "-c", "import dspy"]
        commands["dspy declared"] = [given.dspy, str(HERE / "dspy_programs.py")]
    for command in commands.values():
        process(command)  # reads the disk and compiles
    runs: dict[str, list[Figures]] = {name: [] for name in commands}
    for _ in range(given.rounds(11)):
        for name, command in commands.items():
            runs[name].append(process(command))
    cpu = {name: median(found, "cpu") for name, found in runs.items()}
    print(f"  the bare interpreter: {milliseconds(cpu['python'])} of CPU")

    def compare(what: str, ours: str, theirs: str, aim: float | None = None) -> None:
        shown = f"{theirs} {milliseconds(cpu[theirs])}"
        say(what, milliseconds(cpu[ours]), shown, cpu[ours] / cpu[theirs], aim=aim)

    compare("import treadle", "treadle", "pydantic", 1.5)
    compare("with a program of three predictors declared", "declared", "pydantic")
    if given.dspy:
        compare("import treadle", "treadle", "dspy")
        compare("with a program of three predictors declared", "declared", "dspy declared", 1 / 3)


if __name__ == "__main__":
    main()
