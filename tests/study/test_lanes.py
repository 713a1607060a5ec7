from __future__ import annotations

from collections.abc import Callable

from treadle.compiler.study.lanes import Lanes


def _starts(begun: list[str], name: str, *, wanted: bool = True) -> Callable[[], bool]:
    def start() -> bool:
        begun.append(name)
        return wanted

    return start


def test_jobs_begin_in_the_order_in_which_they_came_as_lanes_are_freed() -> None:
    lanes, begun = Lanes(2), list[str]()
    for name in "abcd":
        lanes.enter(_starts(begun, name))
    assert begun == ["a", "b"]
    lanes.leave()
    assert begun == ["a", "b", "c"]
    lanes.leave()
    lanes.leave()
    lanes.leave()
    lanes.leave()
    lanes.enter(_starts(begun, "e"))
    assert begun == ["a", "b", "c", "d", "e"]


def test_a_job_that_is_not_wanted_takes_no_lane() -> None:
    lanes, begun = Lanes(1), list[str]()
    for number in range(5_000):
        lanes.enter(_starts(begun, f"unwanted {number}", wanted=number == 0))
    lanes.enter(_starts(begun, "wanted"))
    assert len(begun) == 1
    lanes.leave()
    assert begun[-1] == "wanted"
