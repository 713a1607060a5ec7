# Follows the control flow of: microsoft/Trace, examples/textgrad_examples/evals/textgrad_solution_optimization.py
import re
from typing import Any

import treadle
from treadle.modules import ChainOfThought

ROUNDS = 3


@treadle.predict(ChainOfThought())
def solve(question: str) -> str:
    """Answer the multiple choice question. The last line is: Answer: A, B, C or D."""
    ...


@treadle.predict
def critique(question: str, solution: str) -> str:
    """Look for mistakes in the solution; say "no mistakes" if there are none."""
    ...


@treadle.predict
def improve(question: str, solution: str, feedback: str) -> str:
    """Write a better solution. The last line is: Answer: A, B, C or D."""
    ...


def extract_answer(solution: str) -> str:
    found = re.findall(r"Answer: ([ABCD])", solution)
    return found[-1] if found else ""


@treadle.program
def refine_solution(question: str) -> str:
    solution = solve(question)
    predictions = [extract_answer(solution)]

    for _ in range(ROUNDS):
        feedback = critique(question, solution)
        if "no mistakes" in feedback.lower():
            break
        solution = improve(question, solution, feedback)
        predictions.append(extract_answer(solution))

    return max(set(predictions), key=predictions.count)


PROGRAM = refine_solution
EXAMPLES = [
    {"question": "Which is heavier, (A) a muon or (B) an electron?"},
    {"question": "Which is odd, (A) 4, (B) 6, (C) 7 or (D) 8?"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    easy = "muon" in inputs["question"]
    match request_step:
        case "solve":
            return "By mass.\nAnswer: A" if easy else "By size.\nAnswer: D"
        case "critique":
            return "No mistakes." if easy else f"Look again at {inputs['solution'][-1]}."
        case "improve":
            return f"{inputs['solution']}\n{inputs['feedback']}\nAnswer: C"
    raise KeyError(request_step)
