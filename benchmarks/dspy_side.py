"""DSPy's side of the benchmarks, in a process of its own. Run by a Python that has DSPy; it need not have Treadle.

Reads what to do from its first argument, prints ``cpu`` and ``wall`` in seconds a step.
"""

import json
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import dspy  # type: ignore[import-not-found,unused-ignore]
from dspy import lm15  # type: ignore[import-not-found,unused-ignore]

COUNTS = {"one": 1, "chain": 3, "fan": 5}
REPLY = "[[ ## answer ## ]]\nok {}\n\n[[ ## completed ## ]]"


class Instant:
    """An engine that answers at once, with the output field the prompt asks for."""

    def complete(self, request: Any) -> Any:
        """Answer."""
        text = REPLY.format(zlib.crc32(request.messages[-1].parts[0].text.encode()))
        message = lm15.Message(role="assistant", parts=(lm15.TextPart(text),))
        usage = lm15.Usage(input_tokens=100, output_tokens=5, total_tokens=105)
        return lm15.Response(id="1", model="instant", message=message, finish_reason="stop", usage=usage)


class Shape(dspy.Module):  # type: ignore[misc,unused-ignore]
    """The programs of ``shapes.py``."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.shape = name
        self.first = dspy.Predict(dspy.Signature("text -> answer", "Say what the text is about."))
        self.second = dspy.Predict(dspy.Signature("text -> answer", "Say it in one word."))
        self.third = dspy.Predict(dspy.Signature("text -> answer", "Say it in French."))
        self.fourth = dspy.Predict(dspy.Signature("text -> answer", "Say the opposite."))
        self.join = dspy.Predict(dspy.Signature("a, b, c, d -> answer", "Choose the best of four."))

    def forward(self, text: str) -> Any:
        """Run it."""
        if self.shape == "one":
            return self.first(text=text)
        if self.shape == "chain":
            return self.third(text=self.second(text=self.first(text=text).answer).answer)
        parts = [step(text=text).answer for step in (self.first, self.second, self.third, self.fourth)]
        return self.join(**dict(zip("abcd", parts, strict=True)))


def examples(count: int, tag: str) -> list[Any]:
    """The rows of ``shapes.py``."""
    texts = [f"Ticket {tag}{number}: the printer on the second floor is on fire, again." for number in range(count)]
    return [dspy.Example(text=text, label="ok").with_inputs("text") for text in texts]


def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
    """Whether the answer begins with the label."""
    return bool(prediction.answer.startswith(example.label))


def timed(action: Callable[[], object], steps: int) -> dict[str, float]:
    """Run it once."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return {"cpu": (time.process_time() - cpu) / steps, "wall": (time.perf_counter() - wall) / steps}


def main() -> None:
    """Do what the first argument says."""
    given = json.loads(sys.argv[1])
    count, shape = given["count"], given["shape"]
    if "url" in given:
        lm = dspy.LM("openai/fake", api_base=given["url"], api_key="none", cache=False)
    else:
        lm = dspy.LM("openai/instant", engine=Instant(), cache=given["what"] == "stored")
    dspy.configure(lm=lm)
    dspy.configure_cache(enable_disk_cache=False)  # memory alone is DSPy's quickest
    program = Shape(shape)

    def plain(tag: str, number: int) -> None:
        for example in examples(number, tag):
            program(text=example.text)

    def evaluate(tag: str, number: int) -> None:
        threads = given.get("concurrency", 8)
        evaluation = dspy.Evaluate(devset=examples(number, tag), metric=metric, num_threads=threads)
        score = float(evaluation(program).score)
        assert score == 100.0, score

    run = evaluate if given["what"] == "evaluate" else plain
    run("warm", 16)
    if given["what"] == "stored":
        run("", count)
    print(json.dumps(timed(lambda: run("", count), count * COUNTS[shape])))


if __name__ == "__main__":
    main()
