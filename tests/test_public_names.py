"""The public face: every name exists, and the list is sorted and whole."""

import ast
from pathlib import Path

import pytest

import treadle
from treadle.compiler import errors


def test_all_is_sorted_and_every_name_is_there() -> None:
    assert list(treadle.__all__) == sorted(set(treadle.__all__))
    for name in treadle.__all__:
        assert getattr(treadle, name) is not None
    assert dir(treadle) == list(treadle.__all__)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(treadle.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    }
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} | {"OPTIMIZERS"}
    tree_of_errors = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and kind.__module__ == errors.__name__
    }
    assert set(treadle.__all__) == seen | tree_of_errors | (own & set(treadle.__all__))


def test_every_exception_is_public_and_in_one_tree() -> None:
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and kind.__module__ == errors.__name__:
            assert issubclass(kind, treadle.TreadleError)
            assert getattr(treadle, name) is kind


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'foo'"):
        treadle.foo  # noqa: B018  type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(treadle.OPTIMIZERS))
def test_every_optimizer_is_found_by_its_name(name: str) -> None:
    assert treadle.optimizer_named(name).name == name
