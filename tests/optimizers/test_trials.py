import pytest

from tests.optimizers.program import START, Lab, OpenLab, space
from tests.optimizers.world import KEYWORDS
from treadle.compiler.errors import BudgetExhausted
from treadle.compiler.graph.parameters import Candidate
from treadle.optimizers.menu import Combination, Menu
from treadle.optimizers.rungs import rungs
from treadle.optimizers.sampling import Observation, Uniform
from treadle.optimizers.trials import Plan, Trials, run_in_rounds


def text(*words: str) -> str:
    return "\n".join(f"{word}: {KEYWORDS[word]}" for word in words)


WORDS = list(KEYWORDS)
MENU = Menu(
    options={
        "reply.instruction": ("Reply.", "Reply, then.", "Answer."),
        "triage.instruction": ("Choose.", *(text(*WORDS[:count]) for count in (2, 4, 8, 12))),
    }
)


def trials_of(lab: Lab, tried: list[Candidate], *, base: Candidate = START, menu: Menu = MENU) -> Trials:
    plan = Plan(name="test", sampler="thompson", ladder=rungs(lab.study))
    return Trials(lab.study, space(), menu, base, plan, tried)


def test_every_combination_of_a_small_menu_is_tried_once(lab: OpenLab) -> None:
    tried: list[Candidate] = []
    run_in_rounds(trials_of(lab(count=60), tried), 100)
    assert len(tried) == len(set(tried)) == MENU.size - 1


def test_a_combination_seen_again_is_deepened_and_not_repeated(lab: OpenLab) -> None:
    opened = lab(count=200)
    tried: list[Candidate] = []
    trials = trials_of(opened, tried)
    first: list[Combination] = [(0, 4), (0, 1), (1, 0), (2, 0)]
    trials.send(4, first=first)
    trials.send(2)
    trials.send(2)
    sizes = {c: len(opened.study.table.outcomes(c)) for c in tried}
    again: list[Combination] = [(0, 4)] * 3

    class Stubborn(Uniform):
        def suggest(self, seed: int) -> Combination:
            return again.pop() if again else super().suggest(seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("treadle.optimizers.trials.samplers", lambda: {"thompson": Stubborn})
        trials.send(2)
    trials.finish()
    best = tried[0]
    assert len(opened.study.table.outcomes(best)) > sizes[best]
    assert len(tried) == len(set(tried))


def test_the_base_is_combination_0_and_what_others_are_compared_with(lab: OpenLab) -> None:
    base = space().candidate({"triage.demos": [{"inputs": {"ticket": "about k3"}, "outputs": {"triage": "T4"}}]})
    tried: list[Candidate] = []
    trials = trials_of(lab(count=60), tried, base=base)
    run_in_rounds(trials, 6)
    assert all(candidate.values["triage.demos"] == base.values["triage.demos"] for candidate in tried)
    assert all(candidate.parents == (base.id,) for candidate in tried)
    assert trials.observations()[0].combination == (0, 0)


def test_the_leader_is_who_gains_most_and_the_base_where_nobody_does(lab: OpenLab) -> None:
    opened = lab(count=60)
    tried: list[Candidate] = []
    trials = trials_of(opened, tried)
    assert trials.leader() == ((0, 0), START)
    run_in_rounds(trials, 14)
    combination, candidate = trials.leader()
    assert combination[1] == 4
    assert candidate == opened.study.table.best(tried)


def test_new_options_come_at_a_rounds_end_and_are_tried_first(lab: OpenLab) -> None:
    opened = lab(count=60)
    tried: list[Candidate] = []
    trials = trials_of(opened, tried)
    new = text(*WORDS[:10])

    def renew(running: Trials) -> list[Combination]:
        running.menu = running.menu.extended({"triage.instruction": [new]})
        return running.menu.with_each(running.leader()[0], {"triage.instruction": [new]})

    run_in_rounds(trials, 8, rounds=2, renew=renew)
    assert len(tried) == 8
    assert new in [candidate.values.get("triage.instruction") for candidate in tried[4:6]]


def test_new_options_get_half_of_a_round_and_the_sampler_the_rest(lab: OpenLab) -> None:
    tried: list[Candidate] = []
    trials = trials_of(lab(count=60), tried)
    new = [f"Take care {number}." for number in range(8)]

    def renew(running: Trials) -> list[Combination]:
        running.menu = running.menu.extended({"reply.instruction": new})
        return [running.menu.nearest({"reply.instruction": text}) for text in new]

    run_in_rounds(trials, 16, rounds=2, renew=renew)
    later = [candidate.values.get("reply.instruction") for candidate in tried[8:]]
    assert later[:4] == new[:4]
    assert later[4:8] != new[4:]


def test_what_is_first_is_asked_first(lab: OpenLab) -> None:
    tried: list[Candidate] = []
    run_in_rounds(trials_of(lab(count=60), tried), 8, first=[(2, 3), (1, 4)])
    assert [c.values["triage.instruction"] for c in tried[:2]] == [text(*WORDS[:8]), text(*WORDS)]


def test_a_budget_that_ends_is_told_after_what_was_under_way(lab: OpenLab) -> None:
    opened = lab(count=60, calls=140)
    tried: list[Candidate] = []
    with pytest.raises(BudgetExhausted):
        run_in_rounds(trials_of(opened, tried), 14)
    assert tried
    assert len(opened.requests) <= 140


@pytest.mark.parametrize("sampler", ["tpe", "thompson", "random"])
def test_every_sampler_serves(lab: OpenLab, sampler: str) -> None:
    opened = lab(count=60)
    tried: list[Candidate] = []
    plan = Plan(name="test", sampler=sampler, ladder=rungs(opened.study))  # type: ignore[arg-type]  # all of them
    run_in_rounds(Trials(opened.study, space(), MENU, START, plan, tried), 10)
    assert len(tried) == 10
    assert opened.study.table.best(tried).values


def test_random_suggestions_cover_the_menu() -> None:
    model = Uniform(MENU, [])
    model.tell(Observation(combination=(0, 0), value=1.0))
    assert len({model.suggest(seed) for seed in range(300)}) == MENU.size
