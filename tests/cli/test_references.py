"""References: what the command line names is run; what it does not name is not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from treadle.cli.references import UserCodeFailed, resolve
from treadle.compiler.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_name_in_a_file(tmp_path: Path) -> None:
    write(tmp_path, "neighbour_of_app.py", "ANSWER = 42\n")
    path = write(tmp_path, "app_of_test.py", "from neighbour_of_app import ANSWER\nclass Box:\n    inside = [ANSWER]\n")
    assert resolve(f"{path}:ANSWER") == 42
    assert resolve(f"{path}:Box.inside") == [42]
    assert resolve(f"{path}:Box") is resolve(f"{path}:Box"), "the file is run once"


def test_a_file_named_like_an_installed_module_is_still_that_file(tmp_path: Path) -> None:
    path = write(tmp_path, "json.py", "MINE = 1\n")
    assert resolve(f"{path}:MINE") == 1
    assert not hasattr(sys.modules["json"], "MINE")


def test_a_name_in_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package_of_test").mkdir()
    write(tmp_path / "package_of_test", "__init__.py", "")
    write(tmp_path / "package_of_test", "metrics.py", "def metric(): ...\n")
    monkeypatch.chdir(tmp_path)
    assert resolve("package_of_test.metrics:metric").__name__ == "metric"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("support", "write file.py:name or package.module:name"),
        (":support", "write file.py:name"),
        ("app.py:", "write file.py:name"),
        ("missing.py:support", "there is no file missing.py"),
        ("no_such_module_x:support", r"there is no module 'no_such_module_x'; for a file write no_such_module_x\.py"),
    ],
)
def test_what_cannot_be_found_is_one_clear_error(reference: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        resolve(reference)


def test_a_missing_name_lists_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path, "names_of_test.py", "import json\ndef support(): ...\ndef metric(): ...\n_private = 1\n")
    with pytest.raises(ConfigurationError, match=r"has no 'suport'; it has support, metric$"):
        resolve(f"{path}:suport")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\nraise ValueError('broken')\n", r"broken_of_test\.py line 2: ValueError: broken"),
        ("def f(:\n", r"failed while it was loaded, line 1: SyntaxError"),
        ("import missing_dependency_x\n", "line 1: ModuleNotFoundError: No module named 'missing_dependency_x'"),
    ],
)
def test_code_that_fails_says_where(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, "broken_of_test.py", text)
    with pytest.raises(UserCodeFailed, match=says):
        resolve(f"{path}:x")
    with pytest.raises(UserCodeFailed):
        resolve(f"{path}:x")
