import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.errors import ConfigurationError
from treadle.compiler.study.budget import NOTHING, Amount, Budget, Caps


@pytest.mark.parametrize(
    "settings",
    [{"calls": 0}, {"calls": 1.5}, {"calls": True}, {"tokens": -1}, {"usd": 0}, {"usd": math.inf}, {"usd": math.nan},
     {"seconds": "5"}],
)  # fmt: skip
def test_refuses_caps_that_are_none(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"Budget\({next(iter(settings))}="):
        Budget(**settings)


@pytest.mark.parametrize(("cap", "search"), [(1, 1), (2, 1), (9, 8), (10, 9), (100, 90), (1999, 1799)])
def test_a_search_gets_nine_tenths(cap: int, search: int) -> None:
    assert Budget(calls=cap).search.calls == search
    assert Budget(tokens=cap).search.tokens == search


def test_seconds_and_dollars_of_a_search() -> None:
    assert Budget(usd=2, seconds=60).search == Caps(usd=1.8, seconds=60)
    assert not Budget(seconds=60).bounded


def test_names_the_cap_an_amount_is_over() -> None:
    caps = Caps(calls=2, tokens=10, usd=0.3)
    assert caps.exceeded(Amount(2, 10, 0.1 + 0.2)) == ""
    assert caps.exceeded(Amount(3, 11, 1.0)) == "calls"
    assert caps.exceeded(Amount(1, 11, 1.0)) == "tokens"
    assert caps.exceeded(Amount(1, 1, 0.31)) == "usd"


def test_an_unknown_price_is_over_any_cap_on_dollars_and_no_other() -> None:
    assert Caps(usd=100.0).exceeded(Amount(usd=None)) == "usd"
    assert Caps(calls=1, tokens=1).exceeded(Amount(1, 1, None)) == ""


def test_what_is_left_is_never_negative() -> None:
    assert Caps(calls=2, usd=1.0).left(Amount(3, 5, 2.0)) == Caps(calls=0, usd=0.0)
    assert Caps(usd=1.0).left(Amount(usd=None)) == Caps(usd=0.0)


@pytest.mark.parametrize("share", [0, -0.1, 1.1, math.nan])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ConfigurationError, match="share"):
        Caps(calls=10).part(share)


@given(st.integers(0, 10**6), st.floats(0.01, 1))
def test_a_part_is_no_more_than_its_share(calls: int, share: float) -> None:
    part = Caps(calls=calls, tokens=calls, usd=float(calls), seconds=3.0).part(share)
    assert part.calls is not None
    assert part.calls <= calls * share < part.calls + 1 + 1e-6
    assert part.seconds == 3.0


@given(st.integers(), st.integers(), st.none() | st.floats(0, 10))
def test_amounts_add_subtract_and_round_trip(calls: int, tokens: int, usd: float | None) -> None:
    amount = Amount(calls, tokens, usd)
    assert amount + NOTHING == amount - NOTHING == amount
    assert Amount.from_json(amount.to_json()) == amount


def test_reads_as_it_is_written() -> None:
    assert str(Budget(calls=10, usd=0.5)) == "calls=10, usd=0.5"
    assert str(Budget()) == "no cap"
