import pytest

from treadle.compiler.errors import DataError
from treadle.compiler.signature import Slot
from treadle.compiler.study.data import Data, load_data
from treadle.compiler.study.splits import own_splits, split

Q = [Slot(name="q", annotation=str)]


def _data(n: int) -> Data:
    return load_data([{"q": f"question {index}", "a": index} for index in range(n)], Q)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (2, (1, 1, 0)),
        (20, (8, 12, 0)),
        (60, (20, 40, 0)),
        (99, (33, 66, 0)),
        (100, (25, 37, 38)),
        (1000, (400, 300, 300)),
    ],
)
def test_sizes(n: int, sizes: tuple[int, int, int]) -> None:
    splits = split(_data(n), seed=0)
    assert (len(splits.feedback), len(splits.select), len(splits.confirm)) == sizes
    assert len({*splits.feedback, *splits.select, *splits.confirm}) == n


def test_a_split_depends_on_rows_and_seed_alone() -> None:
    assert split(_data(120), 3) == split(_data(120), 3)
    assert split(_data(120), 3) != split(_data(120), 4)


def test_folds_cover_select_once() -> None:
    splits = split(_data(60), 0)
    folds = splits.folds()
    assert len(folds) == 5
    assert sorted(example for fold in folds for example in fold) == sorted(splits.select)


def test_one_example_is_refused() -> None:
    with pytest.raises(DataError, match="not enough"):
        split(_data(1), 0)


def test_rows_in_two_own_splits_are_reported() -> None:
    data, splits = own_splits(_data(10), _data(12), None)
    assert len(data) == 22
    assert len(splits.repeated) == 10
    assert splits.cross_fitted
