"""DSPy's side of ``memory.py``: the state of ``dspy_programs.Chain`` with eight demos a step, saved and loaded.

Prints CPU seconds of ``save`` and of ``load`` into a new program, and the ``bytes`` of the state as JSON.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dspy  # type: ignore[import-not-found,unused-ignore]

from benchmarks.dspy_programs import Chain


def seconds(action: Callable[[], object], times: int) -> float:
    """CPU of one call: the best of five rounds."""
    found = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            action()
        found.append((time.process_time() - start) / times)
    return min(found)


def main() -> None:
    """Measure and print."""
    times = json.loads(sys.argv[1])["times"]
    program = Chain()
    for step in (program.triage, program.urgency, program.reply):
        fields = {name: 1 if name == "urgency" else "billing" for name in step.signature.fields}
        step.demos = [dspy.Example(**fields) for _ in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.json")
        save = seconds(lambda: program.save(path), times)
        load = seconds(lambda: Chain().load(path), min(times, 20))
        print(json.dumps({"save": save, "load": load, "bytes": path.stat().st_size}))


if __name__ == "__main__":
    main()
