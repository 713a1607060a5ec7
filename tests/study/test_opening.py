import dataclasses
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from tests.fake_server import FakeServer
from treadle.compiler.errors import BudgetExhausted
from treadle.compiler.frontend.decorators import predict, program
from treadle.compiler.graph.nodes import LM as LMNode
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.lm.lm import LM
from treadle.compiler.module import expand_step
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.evaluate import evaluate
from treadle.compiler.study.metric import exact_match
from treadle.compiler.study.opening import calls_of, most_lm_calls


@predict
def answer(question: str) -> str:
    """Answer."""
    ...


@predict
def count(question: str) -> int:
    """Count."""
    ...


@program
def plain(question: str) -> str:
    return answer(question)


@program
def typed(question: str) -> str:
    return answer(f"{count(question)}")


@pytest.mark.parametrize(
    ("annotation", "calls"),
    [
        (str, 1),
        (Annotated[str, "in one word"], 1),
        (Annotated[str, Field(max_length=5)], 2),
        (int, 2),
        (Literal["a", "b"], 2),
        (list[str], 2),
    ],
)
def test_a_reply_that_may_not_fit_may_take_a_second_call(annotation: Any, calls: int) -> None:
    signature = Signature(name="s", inputs=(), outputs=(Slot(name="s", annotation=annotation),))
    (node,) = (node for _, node in answer_graph().walk() if isinstance(node, LMNode))
    assert calls_of(dataclasses.replace(node, signature=signature)) == calls


def answer_graph() -> Graph:
    return expand_step("answer", plain.predictors["answer"], {})


def test_calls_of_a_run_with_and_without_re_asks() -> None:
    assert [most_lm_calls(plain, plain.candidate, reasks=reasks) for reasks in (False, True)] == [1, 1]
    assert [most_lm_calls(typed, typed.candidate, reasks=reasks) for reasks in (False, True)] == [2, 3]


def test_64_concurrent_rows_under_a_cap_of_10_calls_make_9() -> None:
    rows = [{"question": f"q{number}", "answer": "yes"} for number in range(64)]
    with FakeServer(reply=lambda request: "yes", latency_ms=5) as server:
        lm = LM(server.base_url, model="fake")
        with pytest.raises(BudgetExhausted):
            evaluate(plain, rows, exact_match("answer"), lm=lm, budget=Budget(calls=10), concurrency=64)
        assert server.counters().requests == 9
