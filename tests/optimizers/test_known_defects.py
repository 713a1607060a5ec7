"""Defects of DSPy's MIPROv2 and of its state that notes, issues and runs record, each with a test that ours has none.

The numbers in brackets are DSPy's issues; [ran] means the defect was seen in a run of DSPy 3.4.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.optimizers import world
from tests.optimizers.program import START, OpenLab, names_drawn, space
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import EverythingFailed
from treadle.compiler.lm.protocol import Request
from treadle.compiler.study.metric import Score
from treadle.optimizers.bootstrap import BootstrapFewShot
from treadle.optimizers.mipro import MIPRO

ONE_ROUND = MIPRO(trials=16, rounds=1)


def misread(request: Request) -> str:
    """The world's LM, which misreads some keywords whatever it is told: something is left that fails."""
    asked = world.fields(request.messages[-1].content)
    missed = [*asked] == ["ticket"] and any(word in asked["ticket"] for word in ("k1 ", "k3 ", "k6 ", "k9 "))
    return '{"triage": "T1"}' if missed else world.answer(request)


def proposing(text: str) -> Any:
    """The world's LM, but what it proposes is always this."""
    return lambda request: text if "<tip>" in request.messages[-1].content else world.answer(request)


# --- numbers and seeds -----------------------------------------------------------------------------------------------


def test_seed_0_is_not_another_seed(lab: OpenLab) -> None:
    """``compile(seed=0)`` silently became 9 [ran]."""
    winners = [ONE_ROUND.search(lab(seed=seed).study, space()) for seed in (0, 9)]
    assert winners[0] != winners[1]


@pytest.mark.parametrize("trials", [8, 16, 32])
def test_start_up_is_a_quarter_of_the_trials_not_eight(lab: OpenLab, trials: int, monkeypatch: Any) -> None:
    """Exactly 8 trials were random whatever their number: 8 of 10 in light mode [ran]."""
    study = lab(count=30).study
    drawn = names_drawn(study, monkeypatch)
    MIPRO(trials=trials, rounds=1).search(study, space())
    assert trials - drawn.count("mipro.thompson") <= max(2, trials // 4)


def test_a_space_smaller_than_the_trials_ends_well(lab: OpenLab) -> None:
    """Two candidates and 20 trials died at trial 17, all work lost [ran; #9705, #10219]."""
    study = lab(count=45).study
    winner = MIPRO(max_bootstrapped=0, max_labeled=0, proposals=1, trials=20, rounds=1).search(study, space())
    assert study.table.covers(winner, study.splits.select)


# --- proposals -------------------------------------------------------------------------------------------------------


def test_a_proposal_with_a_colon_is_kept_whole(lab: OpenLab) -> None:
    """ "Extract the following fields: name, age" was stored as "name, age" [ran]."""
    text = "Extract the following fields: name, age and city."
    opened = lab(answer=proposing(text))
    ONE_ROUND.search(opened.study, space())
    assert {said["text"] for said in opened.logged("proposal")} == {text}
    told = [c.values["triage.instruction"] for c in opened.tried("mipro") if "triage.instruction" in c.values]
    assert set(told) == {text}


def test_no_proposal_is_paid_for_and_thrown_away(lab: OpenLab) -> None:
    """One proposal a predictor was overwritten by the original instruction: light mode tried 2 new ones."""
    opened = lab()
    MIPRO(proposals=4, rounds=1).search(opened.study, space())
    kept = [said for said in opened.logged("proposal") if not said["refused"]]
    (menu,) = opened.logged("menu")
    for name in ("triage", "reply"):
        texts = {said["text"] for said in kept if said["parameter"] == f"{name}.instruction"}
        assert menu["options"][f"{name}.instruction"] == 1 + len(texts)


def test_later_proposals_are_shown_what_failed(lab: OpenLab) -> None:
    """Instructions were proposed once, never from failures or scores; the history reader was dead code."""
    opened = lab(count=60, answer=misread)
    MIPRO(trials=16, rounds=2).search(opened.study, space())
    asked = opened.asked("failures")
    assert asked
    for fields in asked:
        for case in json.loads(fields["failures"]):
            assert case["expected"] != case["answered"]


def test_proposer_options_are_learned(lab: OpenLab) -> None:
    """The shipped MIPROv2 has no MIPRO++: tips were drawn at random and never learned."""
    opened = lab(count=60)
    MIPRO(trials=16, rounds=2).search(opened.study, space())
    assert opened.logged("ways")


# --- what the sampler is told ----------------------------------------------------------------------------------------


def test_every_observation_is_of_the_candidate_that_was_measured(lab: OpenLab) -> None:
    """Full evaluations were stored with the instruction's index in place of the demos' for 15 months [#9627]."""
    opened = lab(count=160)
    MIPRO(trials=24).search(opened.study, space())
    by_id = {candidate.id: candidate for candidate in opened.study.table.candidates}
    values: dict[tuple[str, int], JSON] = {}
    for trial in opened.logged("trial"):
        for address, option in trial["choice"].items():
            value = space().value(by_id[trial["candidate"]], address)
            assert values.setdefault((address, option), value) == value
            assert (option == 0) == (value == space()[address].default)


def test_parameters_are_named_by_address_not_by_order(lab: OpenLab) -> None:
    """``3_predictor_demos`` tied a parameter to the order of discovery."""
    opened = lab()
    MIPRO(trials=4).search(opened.study, space())
    addresses = {address for trial in opened.logged("trial") for address in trial["choice"]}
    assert addresses == {"triage.instruction", "triage.demos", "reply.instruction", "reply.demos"}


def test_candidates_are_compared_on_the_same_examples(lab: OpenLab) -> None:
    """Each candidate got another minibatch, usually once; full and minibatch scores weighed the same."""
    opened = lab(count=160)
    MIPRO(trials=24).search(opened.study, space())
    tried = opened.tried("mipro")
    shortest = min((opened.study.table.outcomes(c) for c in tried), key=len)
    shared = [outcome.example for outcome in shortest]
    assert all(opened.study.table.covers(candidate, shared) for candidate in tried)


def test_a_poor_candidate_is_not_measured_to_the_end(lab: OpenLab) -> None:
    """There was no pruning: all 35 examples were always spent on a bad candidate."""
    opened = lab(count=160)
    MIPRO(trials=24).search(opened.study, space())
    sizes = [len(opened.study.table.outcomes(candidate)) for candidate in opened.tried("mipro")]
    assert sum(size < len(opened.study.splits.select) / 2 for size in sizes) >= len(sizes) / 3


def test_no_combination_is_bought_twice(lab: OpenLab) -> None:
    """A combination seen again was measured again, or crashed the search."""
    opened = lab(count=160)
    MIPRO(trials=30).search(opened.study, space())
    choices = [json.dumps(trial["choice"]) for trial in opened.logged("trial")]
    deepened = len(choices) - len(set(choices))
    assert len({c.id for c in opened.tried("mipro")}) == len(opened.tried("mipro"))
    assert deepened <= len(choices) / 2
    assert len(opened.requests) == len({request.key for request in opened.requests})


# --- demos -----------------------------------------------------------------------------------------------------------


def test_traces_the_metric_rejects_never_become_demos(lab: OpenLab) -> None:
    """Bootstrapping kept traces the metric had rejected, by the metric's return type [#10473, ran]."""
    for rejecting in (lambda *_: False, lambda *_: 0.0, lambda *_: Score(0.0, "no")):
        opened = lab(metric=rejecting)
        BootstrapFewShot().search(opened.study, space())
        assert all(said["bootstrapped"] == 0 for said in opened.logged("demos"))


def test_the_winner_of_nothing_is_the_program_as_it_is(lab: OpenLab) -> None:
    """With all candidates equal the best of noise was returned as an improvement (69.4 for a true 60) [ran]."""
    study = lab(metric=lambda *_: 0.5).study
    assert MIPRO(trials=12).search(study, space()) == START


def test_sets_differ_in_the_tokens_they_take_and_keep_to_a_bound(lab: OpenLab) -> None:
    """There was no token-length awareness: long prompts won if they scored."""
    opened = lab()
    MIPRO(trials=8, demo_tokens=120).search(opened.study, space())
    for candidate in opened.tried("mipro"):
        for address, value in candidate.values.items():
            if address.endswith(".demos") and isinstance(value, list | tuple):
                assert sum(-(-len(json.dumps(demo, separators=(",", ":"))) // 4) for demo in value) <= 120


# --- failures, usage, state ------------------------------------------------------------------------------------------


def test_a_metric_that_always_raises_stops_the_search(lab: OpenLab) -> None:
    """A metric that raised only when evaluating gave a "best" program scored 0.0, no error [ran]."""

    def broken(*_: object) -> float:
        raise KeyError("label")

    with pytest.raises(EverythingFailed, match="label"):
        MIPRO(trials=4).search(lab(metric=broken).study, space())


def test_a_run_that_fails_is_no_wrong_answer(lab: OpenLab) -> None:
    """An exception became score 0.0 and nobody could tell."""

    def sometimes(example: Mapping[str, Any], prediction: str) -> float:
        if "k3" in example["ticket"]:
            raise ValueError("no number in it")
        return world.metric(example, prediction)

    opened = lab(metric=sometimes, count=60)
    MIPRO(trials=4).search(opened.study, space())
    failed = [o for o in opened.study.table.outcomes(START, opened.study.splits.select) if o.score is None]
    assert failed
    assert all("no number in it" in outcome.feedback for outcome in failed)


def test_usage_is_complete_at_any_concurrency(lab: OpenLab) -> None:
    """Usage was lost in threads, and the result's call counts were always 0 [#9201, #9360, ran]."""
    for concurrency in (1, 32):
        opened = lab(count=45, concurrency=concurrency)
        MIPRO(trials=6).search(opened.study, space())
        spend = opened.study.spend
        assert spend.search.calls == len({request.key for request in opened.requests})
        assert spend.search.tokens > 0
        assert sum(amount.calls for amount in spend.by_role.values()) == spend.search.calls


def test_a_rerun_repeats_nothing(lab: OpenLab, tmp_path: Path) -> None:
    """``log_dir`` held the candidates, and a rerun paid for all 1,481 calls again [ran]."""
    first = lab(count=45, folder=tmp_path / "study")
    winner = MIPRO(trials=8).search(first.study, space())
    first.study.close()
    again = lab(count=45, folder=tmp_path / "study")
    assert MIPRO(trials=8).search(again.study, space()) == winner
    assert not again.requests


def test_the_budget_is_a_cap_and_what_is_known_is_returned(lab: OpenLab) -> None:
    """There was no budget; the estimator nobody called was wrong."""
    opened = lab(count=60, calls=800)
    MIPRO(trials=24).search(opened.study, space())
    assert len(opened.requests) <= 800
    assert len({candidate.id for candidate in opened.tried("mipro")}) > 3


def test_trials_overlap(lab: OpenLab) -> None:
    """Trials were strictly sequential, and bootstrapping ran one example at a time."""
    most = 0
    flying = 0

    async def counted(request: Request) -> str:
        import asyncio

        nonlocal most, flying
        flying += 1
        most = max(most, flying)
        for _ in range(5):
            await asyncio.sleep(0)
        flying -= 1
        return world.answer(request)

    MIPRO(trials=8).search(lab(count=45, concurrency=32, answer=counted).study, space())
    assert most == 32


def test_predictors_in_containers_are_found() -> None:
    """``self.g = [[Predict]]`` was invisible to optimizers and to save [#10152, ran]."""
    first = treadle.predict("text -> word")
    steps = {"a": [first, first.copy("second")]}

    @treadle.program
    def nested(text: str) -> str:
        word: str = steps["a"][1](text=steps["a"][0](text=text))
        return word

    found = {address.split(".")[0] for address in nested.space()}
    assert found == {"predict", "second"}


def test_a_warm_start_is_measured_first(lab: OpenLab) -> None:
    """No warm start from an earlier study was possible: parameters were named by index."""
    earlier = MIPRO(trials=12).search(lab(count=60, seed=1).study, space())
    opened = lab(count=60)
    MIPRO(trials=8, warm_start=(earlier.values,)).search(opened.study, space())
    assert opened.tried("mipro")[0] == earlier
