import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.fake_clock import FakeClock
from tests.fake_server import FakeServer
from tests.study.world import IDENTITY, WRITE, Chain, Provider, candidate, rows, study
from treadle.compiler.errors import (
    BudgetExhausted,
    ConfigurationError,
    DataError,
    EverythingFailed,
    ReplayDiverged,
    RequestRefused,
    ServerFault,
    StudyError,
)
from treadle.compiler.lm.lm import LM
from treadle.compiler.study.budget import Amount, Budget
from treadle.compiler.study.metric import Score
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.study import Study

A, B, C = candidate(""), candidate("b"), candidate("c")


def scores(outcomes: Any) -> list[list[float | None]]:
    return [[outcome.score for outcome in row] for row in outcomes]


# --- measuring -------------------------------------------------------------------------------------------------------


def test_evaluates_by_candidate_then_example_and_fills_the_table() -> None:
    provider = Provider()
    with study(Chain(provider.lm(), 2)) as s:
        outcomes = s.evaluate([A, B], s.splits.select)
        assert [[outcome.example for outcome in row] for row in outcomes] == [list(s.splits.select)] * 2
        assert outcomes == [s.table.outcomes(A), s.table.outcomes(B)]
        assert provider.calls == 2 * 2 * len(s.splits.select) == s.spend.search.calls == s.spend.sent.calls


def test_what_was_measured_is_not_run_again() -> None:
    provider = Provider()
    runner = Chain(provider.lm())
    with study(runner) as s:
        first = s.evaluate([A], s.splits.select)
        assert s.evaluate([A], s.splits.select) == first
        assert s.compare(A, A, s.splits.select).mean == 0
        assert runner.runs == len(s.splits.select)


def test_a_candidate_named_twice_is_run_once() -> None:
    runner = Chain(Provider().lm())
    with study(runner) as s:
        one, other = s.evaluate([A, candidate("")], s.splits.select)
        assert one == other
        assert runner.runs == len(s.splits.select)


def test_replicates_are_other_samples() -> None:
    provider = Provider()
    with study(Chain(provider.lm())) as s:
        ids = s.splits.select
        assert s.evaluate([A], ids) != s.evaluate([A], ids, replicate=1)
        assert provider.calls == 2 * len(ids)


def test_traces_of_a_measured_cell_cost_no_call() -> None:
    provider = Provider()
    runner = Chain(provider.lm())
    with study(runner) as s:
        first = s.evaluate([A], s.splits.select)
        again = s.evaluate([A], s.splits.select, traces=True)
        assert scores(first) == scores(again)
        assert (runner.runs, provider.calls) == (2 * len(s.splits.select), len(s.splits.select))


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_results_do_not_depend_on_concurrency_or_completion_order(concurrency: int) -> None:
    def search(scramble: int | None, concurrency: int) -> tuple[Any, ...]:
        runner = Chain(Provider(scramble=scramble).lm(), 3)
        with study(runner, examples=20, budget=Budget(calls=160), concurrency=concurrency) as s:
            first, second = s.start([A, B], s.splits.select), s.start([B, C], s.splits.select)
            texts = s.propose(WRITE, [{"topic": "x"}, {"topic": "y"}], key="k")
            found = [scores(first.wait())]
            with pytest.raises(BudgetExhausted):
                second.wait()
            return (*found, texts, [len(s.table.outcomes(c)) for c in (A, B, C)], s.spend.search, s.spend.by_role)

    assert search(5, concurrency) == search(None, 3)


def test_concurrency_bounds_the_calls_in_flight() -> None:
    provider = Provider(scramble=1)
    with study(Chain(provider.lm()), examples=40, concurrency=5) as s:
        s.evaluate([A], s.splits.select)
    assert provider.most_in_flight == 5


def test_waiting_for_a_later_batch_settles_the_earlier_one() -> None:
    with study(Chain(Provider().lm())) as s:
        first, second = s.start([A], s.splits.select), s.start([B], s.splits.select)
        second.wait()
        assert s.table.candidates == (A, B)
        assert first.wait() == [s.table.outcomes(A)]


def test_only_examples_of_the_search_may_be_used() -> None:
    data = rows(9)
    splits = Splits(feedback=data.ids[:3], select=data.ids[3:6], confirm=data.ids[6:], examples=9)
    with study(Chain(Provider().lm()), data=data, splits=splits) as s:
        assert (s.splits.confirm, s.splits.cross_fitted, s.splits.judged) == ((), False, 3)
        with pytest.raises(DataError, match="none of this search's"):
            s.evaluate([A], data.ids[6:])
        with pytest.raises(DataError, match="none of this search's"):
            s.example(data.ids[6])
        assert s.example(data.ids[0]).labels == {"answer": 0}
        judge = s.unsealed()
        judge.evaluate([A], judge.splits.confirm)
        assert len(s.table.outcomes(A)) == 3


# --- failures --------------------------------------------------------------------------------------------------------


def raising(example: Any, prediction: Any) -> float:
    if example["answer"] % 2:
        raise ValueError(f"no {example['answer']}")
    return 1.0


def test_a_metric_that_raises_is_a_failure_with_its_traceback() -> None:
    with study(Chain(Provider().lm()), metric=raising) as s:
        (row,) = s.evaluate([A], s.splits.select)
        failed = [outcome for outcome in row if outcome.score is None]
        assert [outcome.failure for outcome in failed] == ["ValueError: no 3", "ValueError: no 5"]
        assert 'raise ValueError(f"no' in failed[0].feedback
        assert str(Path(__file__).parent) not in failed[0].feedback
        assert failed[0].value == 0.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "0.5"])
def test_a_metric_that_returns_no_number_is_a_failure(value: object) -> None:
    def metric(example: Any, prediction: Any) -> Any:
        return 1.0 if example["answer"] == 2 else value

    with study(Chain(Provider().lm()), metric=metric) as s:
        (row,) = s.evaluate([A], s.splits.select)
        assert [outcome.score for outcome in row] == [1.0, None, None, None]
        assert row[1].failure.startswith("DataError: metric returned")


def test_a_program_that_raises_is_a_failure() -> None:
    def fail(request: Any, time: int) -> Exception | None:
        return RequestRefused("that is not allowed") if request.messages[0].content.endswith("q3") else None

    with study(Chain(Provider(fail=fail).lm())) as s:
        (row,) = s.evaluate([A], s.splits.select)
        assert [outcome.failure for outcome in row if outcome.failure] == ["RequestRefused: that is not allowed"]


def test_a_study_in_which_everything_fails_stops() -> None:
    def metric(example: Any, prediction: Any) -> float:
        raise KeyError("label")

    with study(Chain(Provider().lm()), examples=12, metric=metric) as s, pytest.raises(EverythingFailed, match="label"):
        s.evaluate([A], s.splits.select)


def test_later_failures_do_not_stop_a_study_that_has_scored() -> None:
    class Breaks(Chain):
        async def run(self, candidate: Any, inputs: Any, caller: Any) -> Any:
            if candidate == B:
                raise RuntimeError("broken by its instruction")
            return await super().run(candidate, inputs, caller)

    with study(Breaks(Provider().lm()), examples=12) as s:
        s.evaluate([A], s.splits.select)
        (row,) = s.evaluate([B], s.splits.select)
        assert {outcome.failure for outcome in row} == {"RuntimeError: broken by its instruction"}


def test_a_hung_metric_is_abandoned_and_counted() -> None:
    for_ever = threading.Event()
    told: list[str] = []

    def metric(example: Any, prediction: Any) -> float:
        if example["answer"] == 3:
            for_ever.wait()
        return 1.0

    def listener(event: Any) -> None:
        if event.kind == "warning":
            told.append(event.fields["text"])

    with study(Chain(Provider().lm()), metric=metric, metric_timeout=0.2, listener=listener) as s:
        (row,) = s.evaluate([A], s.splits.select)
        assert [outcome.score for outcome in row] == [1.0, None, 1.0, 1.0]
        assert row[1].failure.startswith("MetricHung")
        assert len(told) == 1
    for_ever.set()


def test_an_async_metric_is_awaited() -> None:
    async def metric(example: Any, prediction: Any) -> Score:
        return Score(0.5, objectives={"length": len(prediction)})

    with study(Chain(Provider().lm()), metric=metric) as s:
        (row,) = s.evaluate([A], s.splits.select)
        assert {outcome.score for outcome in row} == {0.5}


def test_a_judge_in_a_metric_is_charged_and_stored(tmp_path: Path) -> None:
    def search() -> tuple[Any, ...]:
        provider = Provider()
        runner = Chain(provider.lm())

        async def metric(example: Any, prediction: Any) -> float:
            assert runner.judge is not None
            return len(await runner.ask(runner.judge, f"judge {prediction}", "judge~0")) / 100

        with study(runner, metric=metric, folder=tmp_path) as s:
            found = scores(s.evaluate([A], s.splits.select))
            return found, dict(s.spend.by_role), provider.calls

    first, again = search(), search()
    assert first[:2] == again[:2]
    assert first[1]["judge"].calls == first[1]["task"].calls == 4
    assert (first[2], again[2]) == (8, 0)


def test_a_transient_failure_that_outlives_its_retries_stops_the_study_and_is_no_score(tmp_path: Path) -> None:
    down = True

    def fail(request: Any, time: int) -> Exception | None:
        return ServerFault("down") if down and request.messages[0].content.endswith("q4") else None

    provider = Provider(fail=fail)
    with study(Chain(provider.lm()), folder=tmp_path) as s:
        with pytest.raises(StudyError, match=r"down \(ServerFault\).*run the same command again"):
            s.evaluate([A], s.splits.select)
        with pytest.raises(StudyError, match="down"):
            s.evaluate([B], s.splits.select)
        assert s.table.outcomes(A) == []
    down = False
    before = provider.calls
    with study(Chain(provider.lm()), folder=tmp_path) as s:
        (row,) = s.evaluate([A], s.splits.select)
        assert all(outcome.score is not None for outcome in row)
        assert provider.calls == before + 1


def test_a_program_that_swallows_the_stop_records_nothing() -> None:
    class Swallows(Chain):
        async def ask(self, caller: Any, text: str, sample: str) -> str:
            with contextlib.suppress(Exception):
                return await super().ask(caller, text, sample)
            return "something"

    with study(Swallows(Provider(fail=lambda request, time: ServerFault("down")).lm())) as s:
        with pytest.raises(StudyError, match="down"):
            s.evaluate([A], s.splits.select)
        assert s.table.outcomes(A) == []


def test_a_missing_lm_stops_the_study_with_its_own_error() -> None:
    class NoLM(Chain):
        async def run(self, candidate: Any, inputs: Any, caller: Any) -> Any:
            raise ConfigurationError("no LM for step 'x'")

    with study(NoLM(Provider().lm())) as s, pytest.raises(ConfigurationError, match="no LM for step"):
        s.evaluate([A], s.splits.select)


# --- proposing -------------------------------------------------------------------------------------------------------


def test_proposals_come_in_order_and_none_where_the_reply_never_fitted() -> None:
    provider = Provider(scramble=3)
    with study(Chain(provider.lm())) as s:
        texts = s.propose(WRITE, [{"topic": "a"}, {"topic": "impossible"}, {"topic": "b"}], key="k")
        assert (texts[1], len(texts)) == (None, 3)
        assert s.spend.by_role["proposer"].calls == 3


def test_the_same_context_under_another_key_or_place_is_another_sample() -> None:
    with study(Chain(Provider().lm())) as s:
        one, two = s.propose(WRITE, [{"topic": "a"}] * 2, key="k")
        (three,) = s.propose(WRITE, [{"topic": "a"}], key="other")
        assert len({one, two, three}) == 3


def test_a_generator_depends_on_seed_name_and_key_alone() -> None:
    with study(Chain(Provider().lm()), seed=1) as one, study(Chain(Provider().lm()), seed=2) as two:
        one.rng("x").random()
        assert one.rng("x", 1, "a").random() == one.rng("x", 1, "a").random()
        assert len({s.rng(*key).random() for s in (one, two) for key in (("x",), ("x", 1), ("y",))}) == 6


# --- budget ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_cut_at_the_same_place_every_time() -> None:
    def cut(scramble: int | None, concurrency: int) -> int:
        provider = Provider(scramble=scramble)
        runner = Chain(provider.lm(), 2, bound=4)
        with study(runner, examples=30, budget=Budget(calls=40), concurrency=concurrency) as s:
            with pytest.raises(BudgetExhausted, match="calls=36"):
                s.evaluate([A], s.splits.select)
            assert not s.spend.timing_dependent
            assert provider.calls == s.spend.search.calls
            return len(s.table.outcomes(A))

    assert {cut(None, 64), cut(1, 64), cut(2, 5), cut(3, 1)} == {17}  # 34 of 36 are used, the next may take 4


def test_a_started_batch_holds_its_room_until_it_is_waited_for() -> None:
    with study(Chain(Provider().lm(), 1, bound=2), examples=12, budget=Budget(calls=50)) as s:
        first = s.start([A], s.splits.select)
        assert s.left.calls == 45 - 20
        second = s.start([B], s.splits.select)
        assert s.left.calls == 5
        first.wait()
        assert s.left.calls == 15
        third = s.start([C], s.splits.select)
        second.wait()
        third.wait()
        assert s.left.calls == 15


def test_a_batch_that_needs_room_settles_the_waves_of_later_ones_first() -> None:
    with study(Chain(Provider().lm(), 1, bound=2), examples=12, budget=Budget(calls=24)) as s:
        first = s.start([A], s.splits.select)  # its 10 runs may take 20 of the 21 calls, and take 10
        second = s.start([B], s.splits.select)
        first.wait()
        second.wait()
        assert s.spend.search.calls == 20


def test_what_was_settled_needs_no_room() -> None:
    with study(Chain(Provider().lm()), examples=11, budget=Budget(calls=10)) as s:
        s.evaluate([A], s.splits.select)
        assert s.left.calls == 0
        s.evaluate([A], s.splits.select)
        with pytest.raises(BudgetExhausted):
            s.evaluate([B], s.splits.select[:1])
        with pytest.raises(BudgetExhausted):
            s.propose(WRITE, [{"topic": "x"}], key="k")


def test_slices_share_what_is_stored_and_bound_themselves() -> None:
    with study(Chain(Provider().lm()), examples=12, budget=Budget(calls=40)) as s:
        small = s.slice(0.25)
        assert small.budget.calls == 9
        with pytest.raises(BudgetExhausted):
            small.evaluate([A], s.splits.select)
        assert (small.left.calls, s.left.calls) == (0, 27)
        s.evaluate([A], s.splits.select)
        assert s.left.calls == 26  # one of the ten was missing
        with pytest.raises(ConfigurationError, match="share"):
            s.slice(0)


def test_a_program_without_a_bound_is_metered_call_by_call_and_said_so() -> None:
    for concurrency in (1, 64):
        provider = Provider(scramble=4)
        runner = Chain(provider.lm(), 2, bound=None)
        with study(runner, examples=102, budget=Budget(calls=60), concurrency=concurrency) as s:
            with pytest.raises(BudgetExhausted):
                s.evaluate([A], s.splits.select)
            assert provider.calls == 54
            assert s.spend.search.calls == 54
            assert s.spend.timing_dependent


def test_metered_batches_are_not_started_wider_than_the_budget_reaches() -> None:
    with study(Chain(Provider().lm(), 3, bound=None), examples=202, budget=Budget(calls=400)) as s:
        with pytest.raises(BudgetExhausted):
            s.evaluate([A], s.splits.select)
        assert len(s.table.outcomes(A)) == 120  # all 360 calls went into whole runs


def test_a_cut_batch_is_cut_at_the_same_place_in_a_rerun(tmp_path: Path) -> None:
    def search(scramble: int) -> tuple[Any, ...]:
        runner = Chain(Provider(scramble=scramble).lm(), 2, bound=None)
        with study(runner, examples=50, budget=Budget(calls=60), folder=tmp_path) as s:
            with pytest.raises(BudgetExhausted) as cut:
                s.evaluate([A], s.splits.select)
            return len(s.table.outcomes(A)), str(cut.value), s.spend.search, runner.runs, s.spend.timing_dependent

    first, again = search(1), search(2)
    assert (again[0], again[1], again[2], again[4]) == (first[0], first[1], first[2], True)
    assert again[3] == 0


def test_a_time_limit_is_looked_at_between_batches_and_obeyed_in_a_rerun(tmp_path: Path) -> None:
    def search(clock: FakeClock, passes: float) -> list[str]:
        done = []
        with study(Chain(Provider().lm()), folder=tmp_path, budget=Budget(seconds=10), clock=clock) as s:
            for one in (A, B, C):
                try:
                    s.evaluate([one], s.splits.select)
                    done.append(one.id)
                except BudgetExhausted as error:
                    done.append(str(error)[:14])
                clock.now += passes
        return done

    for passes in (6, 0, 1000):
        assert search(FakeClock(), passes) == [A.id, B.id, "the time is up"]


# --- resuming --------------------------------------------------------------------------------------------------------


def whole(s: Study) -> tuple[Any, ...]:
    first = s.start([A, B], s.splits.select)
    second = s.start([C], s.splits.select, traces=True)
    found = [scores(first.wait()), scores(second.wait())]
    texts = s.propose(WRITE, [{"topic": "x"}, {"topic": "impossible"}], key="k")
    return found, texts, s.spend.search, dict(s.spend.by_role)


def test_a_rerun_makes_no_call_and_sees_the_same(tmp_path: Path) -> None:
    provider = Provider(scramble=1)
    runner = Chain(provider.lm(), 2)
    with study(runner, folder=tmp_path) as s:
        first = whole(s)
    calls, runs = provider.calls, runner.runs
    for mode in ("write", "read", "replay"):
        with study(runner, folder=tmp_path, mode=mode) as s:
            assert whole(s) == first
    assert (provider.calls, runner.runs) == (calls, runs)


def test_only_write_leaves_something_behind(tmp_path: Path) -> None:
    provider = Provider()
    with study(Chain(provider.lm()), folder=tmp_path) as s:
        s.evaluate([A], s.splits.select)
    before = sorted((path.name, path.stat().st_size) for path in tmp_path.iterdir())
    with study(Chain(provider.lm()), folder=tmp_path, mode="read") as s:
        s.evaluate([A], s.splits.select)
        s.evaluate([B], s.splits.select)
        assert provider.calls == 8
    with study(Chain(provider.lm()), folder=tmp_path, mode="replay") as s:
        s.evaluate([A], s.splits.select)
        with pytest.raises(StudyError, match="a replay sends nothing"):
            s.evaluate([B], s.splits.select)
    with study(Chain(provider.lm()), folder=tmp_path, mode="off") as s:
        s.evaluate([A], s.splits.select)
        s.evaluate([A], s.splits.select, traces=True)
        assert provider.calls == 8 + 8
    assert sorted((path.name, path.stat().st_size) for path in tmp_path.iterdir()) == before


def test_a_search_that_asks_for_something_else_is_stopped(tmp_path: Path) -> None:
    with study(Chain(Provider().lm()), folder=tmp_path) as s:
        s.evaluate([A, B], s.splits.select)
        s.propose(WRITE, [{"topic": "x"}], key="k")
    with study(Chain(Provider().lm()), folder=tmp_path) as s:
        with pytest.raises(ReplayDiverged, match=rf'candidates\[1\] was "{B.id}", now it is "{C.id}"'):
            s.evaluate([A, C], s.splits.select)
        with pytest.raises(ReplayDiverged):
            s.evaluate([A, B], s.splits.select)
    with study(Chain(Provider().lm()), folder=tmp_path) as s:
        s.evaluate([A, B], s.splits.select)
        with pytest.raises(ReplayDiverged, match=r'2\. step: ask was "propose", now it is "evaluate"'):
            s.evaluate([C], s.splits.select)


@pytest.mark.parametrize("part", sorted(IDENTITY))
def test_the_folder_of_another_study_is_refused(tmp_path: Path, part: str) -> None:
    with study(Chain(Provider().lm()), folder=tmp_path):
        pass
    with pytest.raises(ConfigurationError, match=f"its {part} is"):
        study(Chain(Provider().lm()), folder=tmp_path, identity={**IDENTITY, part: "other"})


def test_a_larger_budget_is_a_new_search_that_pays_for_nothing_twice(tmp_path: Path) -> None:
    provider = Provider()
    small = study(Chain(provider.lm()), examples=12, folder=tmp_path, budget=Budget(calls=10))
    with small as s, pytest.raises(BudgetExhausted):
        s.evaluate([A], s.splits.select)
    with study(Chain(provider.lm()), examples=12, folder=tmp_path, budget=Budget(calls=30)) as s:
        s.evaluate([A, B], s.splits.select)
        assert s.spend.sent.calls == provider.calls == 20


def test_retries_that_use_up_the_reserve_stop_the_study_and_name_the_cap_that_finishes_it(tmp_path: Path) -> None:
    def fail(request: Any, time: int) -> Exception | None:
        return ServerFault("hiccup") if time == 1 else None

    provider = Provider(fail=fail)
    with study(Chain(provider.lm()), examples=11, folder=tmp_path, budget=Budget(calls=10), concurrency=1) as s:
        with pytest.raises(StudyError, match=r"has sent 10 calls.*Budget\(calls=22\) to finish"):
            s.evaluate([A], s.splits.select)
        assert provider.calls == s.spend.sent.calls == 10
        assert s.spend.search.calls == 5
    with study(Chain(provider.lm()), examples=11, folder=tmp_path, budget=Budget(calls=22)) as s:
        assert s.budget.calls == 9  # still the same search
        s.evaluate([A], s.splits.select)
        assert s.spend.sent.calls == provider.calls == 18
        with pytest.raises(BudgetExhausted):
            s.evaluate([B], s.splits.select)


def test_logical_spend_counts_tokens_and_dollars() -> None:
    with study(Chain(Provider().lm(price=(1.0, 2.0)))) as s:
        s.evaluate([A], s.splits.select)
        spent = s.spend.search
        assert spent == s.spend.sent == Amount(4, spent.tokens, spent.usd)
        assert spent.tokens > 0
        assert spent.usd


def test_a_closed_study_says_so() -> None:
    s = study(Chain(Provider().lm()))
    s.close()
    s.close()
    with pytest.raises(StudyError, match="closed"):
        s.evaluate([A], s.splits.select)


def test_ctrl_c_between_two_waits_keeps_the_calls_in_flight(tmp_path: Path) -> None:
    with FakeServer(reply=lambda request: "yes", gate=5, gate_timeout=1) as server:
        runner = Chain(LM(server.base_url, model="fake"))

        def interrupted() -> None:
            with study(runner, folder=tmp_path) as s:
                s.start([A], s.splits.select)
                while server.counters().in_flight < 4:
                    pass
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        with study(runner, folder=tmp_path) as s:
            s.evaluate([A], s.splits.select)
            assert s.spend.sent.calls == server.counters().requests == 4
