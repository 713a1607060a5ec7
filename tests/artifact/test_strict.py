"""What a program file may not hold is refused before anything looks at it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.artifact.strict import MAX_BYTES, MAX_DEPTH, json_path, read_strictly, walk
from treadle.compiler.errors import ArtifactError

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_json_can_hold_is_read_as_it_is(value: object) -> None:
    assert read_strictly(json.dumps(value)) == value
    assert read_strictly(json.dumps(value, ensure_ascii=False).encode()) == value


def test_a_byte_order_mark_is_no_error() -> None:
    assert read_strictly(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        ("", "not JSON"),
        ("{", "not JSON: .* at line 1, column 2"),
        ("[NaN]", "NaN"),
        ("[-Infinity]", "-Infinity"),
        ("[1e999]", "finite"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "'c' is given twice"),
        ("[" * 200_000, "deeper than 500"),
        ("9" * 5_000, "5,000 digits"),
        ("[0." + "1" * 5_000 + "]", "finite"),
        (r'{"a": ["\ud800"]}', r"\$\.a\[0\]: .*surrogate"),
        (r'{"\ud800": 1}', "surrogate"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "deeper than 500"),
    ],
)
def test_refused(text: str | bytes, says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        read_strictly(text)


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert read_strictly("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@pytest.mark.parametrize("text", [" " * (MAX_BYTES + 1), b" " * (MAX_BYTES + 1), "é" * (MAX_BYTES // 2 + 1)])
def test_a_document_that_is_too_large_is_refused_unread(text: str | bytes) -> None:
    with pytest.raises(ArtifactError, match="16,777,216 are read"):
        read_strictly(text)


def test_a_million_keys_with_one_twice_are_refused_quickly() -> None:
    text = "{" + ",".join(f'"{number}":0' for number in range(200_000)) + ',"7":1}'
    with pytest.raises(ArtifactError, match="'7' is given twice"):
        read_strictly(text)


def test_walk_goes_outer_before_inner_in_order() -> None:
    paths = [json_path(path) for path, _ in walk({"a": [1, {"b c": 2}], "d": 3})]
    assert paths == ["$", "$.a", "$.a[0]", "$.a[1]", '$.a[1]["b c"]', "$.d"]
