import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from tests.lm.conformance import ProviderConformance
from tests.lm.offline_prompts import answer, complete, request
from treadle.compiler.errors import ReplyTruncated
from treadle.compiler.hints import from_string
from treadle.compiler.lm import offline
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.offline import Offline
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.signature import Signature

TEAM = from_string(
    "ticket -> team: Literal['billing', 'shipping', 'account']",
    instruction="Choose.\n- billing: invoices, refunds.\n- shipping: parcels, couriers.\n- account: passwords.",
)


class TestOffline(ProviderConformance):
    @pytest.fixture
    def lm(self) -> LM:
        return LM("offline")


def test_it_says_that_it_is_not_a_language_model() -> None:
    assert "not a language model" in (offline.__doc__ or "").lower()
    assert "not a language model" in repr(Offline()).lower()


def test_the_answer_depends_on_messages_and_schema_alone() -> None:
    asked = request(TEAM, {"ticket": "the courier is late"})
    elsewhere = request(TEAM, {"ticket": "the courier is late"}, model="other", endpoint="x", sample="s", max_tokens=50)
    assert complete(asked).text == complete(elsewhere).text == '{"team": "shipping"}'


def test_another_process_with_another_hash_seed_answers_the_same() -> None:
    code = (
        "from tests.lm.offline_prompts import *; from tests.lm.test_offline import *;"
        "from tests.lm.test_offline_instruction import PROPOSER, ROWS;"
        "print(answer(TEAM, {'ticket': 'a'}), answer(TEAM, {'ticket': 'b'}, temperature=1.0));"
        "print(answer(PROPOSER, {'examples': ROWS}))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert "mentions" in printed[0]


def test_usage_counts_four_characters_a_token() -> None:
    asked = request(TEAM, {"ticket": "the courier is late"})
    usage = complete(asked).usage
    assert usage is not None
    assert usage.input_tokens == -(-sum(len(message.content) for message in asked.messages) // 4)
    assert usage.output_tokens == -(-len('{"team": "shipping"}') // 4)


def test_a_reply_longer_than_max_tokens_is_an_error() -> None:
    with pytest.raises(ReplyTruncated, match="max_tokens=2"):
        complete(request(TEAM, {"ticket": "late"}, max_tokens=2))


def test_a_schema_without_a_method_is_answered_plainly_and_said_to_be() -> None:
    completion = complete(request(from_string("a -> b: dict[str, int]"), {"a": "x"}))
    assert (completion.text, completion.finish_reason) == ("{}", "unsupported")
    assert complete(request(TEAM, {"ticket": "late"})).finish_reason == "stop"


# --- temperature -----------------------------------------------------------------------------------------------------

WORDS = {
    "billing": "invoice refund euro price",
    "shipping": "parcel courier late box",
    "account": "password login mail",
}


def questions() -> list[tuple[str, str]]:
    """Tickets with two words of their own team and one of another, so that noise can change some answers."""
    rng = random.Random(3)
    rows = []
    for _ in range(60):
        team, other = rng.sample(sorted(WORDS), 2)
        text = " ".join([*rng.sample(WORDS[team].split(), 2), rng.choice(WORDS[other].split())])
        rows.append((text, team))
    return rows


def test_temperature_adds_noise_that_differs_by_sample_and_a_vote_gets_most_of_it_back() -> None:
    signature = TEAM.with_instruction("\n".join(f"{team}: {words}" for team, words in WORDS.items()))
    rows = questions()

    def asked(text: str, sample: str, temperature: float) -> str:
        found: str = answer(signature, {"ticket": text}, sample=sample, temperature=temperature)
        return found

    sure = [asked(text, "", 0.0) for text, _ in rows]
    hot = [[asked(text, str(n), 1.5) for n in range(9)] for text, _ in rows]
    voted = [Counter(samples).most_common(1)[0][0] for samples in hot]
    right = {
        name: sum(found == team for found, (_, team) in zip(answers, rows, strict=True))
        for name, answers in {"sure": sure, "one": [samples[0] for samples in hot], "voted": voted}.items()
    }
    assert right["sure"] == 60
    assert right["one"] < right["voted"] <= right["sure"]
    assert hot == [[asked(text, str(n), 1.5) for n in range(9)] for text, _ in rows]


def test_no_temperature_is_temperature_zero() -> None:
    rows = questions()
    plain = [answer(TEAM, {"ticket": text}) for text, _ in rows]
    assert plain == [answer(TEAM, {"ticket": text}, temperature=0.0, sample="7") for text, _ in rows]


def test_a_start_that_says_nothing_does_not_always_give_the_first_label() -> None:
    signature = Signature(
        name="q",
        inputs=from_string("a -> b").inputs,
        outputs=from_string("a -> q: Literal['T1', 'T2', 'T3', 'T4']").outputs,
    )
    found = Counter(answer(signature, {"a": f"question number {n}"}) for n in range(80))
    assert set(found) == {"T1", "T2", "T3", "T4"}
    assert max(found.values()) < 40


def test_demos_and_instructions_change_answers_for_the_reason_they_give() -> None:
    signature = from_string("ticket -> team: Literal['Q1', 'Q2']")
    ticket = {"ticket": "My parcel has not come"}
    for label in ("Q1", "Q2"):
        demo = Demo(inputs={"ticket": "The parcel came broken"}, outputs={"team": label})
        assert answer(signature, ticket, [demo]) == label
        assert answer(signature.with_instruction(f"Choose.\n{label}: anything on parcels"), ticket) == label


def test_a_re_ask_is_answered_from_the_question_before_it() -> None:
    from treadle.compiler.errors import ReplyError
    from treadle.compiler.lm.protocol import Request
    from treadle.compiler.prompt.parse import reask

    asked = request(TEAM, {"ticket": "the courier is late"})
    again = reask(asked.messages, "shipping!", ReplyError("not JSON"))
    assert complete(Request(model="offline", messages=again, max_tokens=99, schema=asked.schema)).text == (
        '{"team": "shipping"}'
    )


def test_labels_of_any_kind_are_taken_from_the_schema() -> None:
    signature = from_string("text -> happy: bool", instruction="happy: great, love, nice")
    assert answer(
        signature, {"text": "I love it, great"}, [Demo(inputs={"text": "awful bad"}, outputs={"happy": False})]
    )
    numbers = Signature(name="n", inputs=signature.inputs, outputs=from_string("a -> n: Literal[1, 2]").outputs)
    assert answer(numbers.with_instruction("1: apples\n2: pears"), {"text": "ripe pears"}) == 2
