"""The offline model must know nothing of the prompts our own optimizers write."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from treadle.compiler.lm import offline

ROOT = Path(__file__).parents[2]
WORDS = 4


def strings(source: str) -> Iterator[str]:
    """All string literals, docstrings among them: a predictor's docstring is its prompt."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def runs(text: str) -> set[tuple[str, ...]]:
    """Every run of four words."""
    words = re.findall(r"[^\W_]+", text.lower())
    return {tuple(words[n : n + WORDS]) for n in range(len(words) - WORDS + 1)}


def prompts(source: str) -> set[tuple[str, ...]]:
    """Runs of four words in what may become a prompt: all strings but the docstrings of code that runs."""
    tree = ast.parse(source)
    plain = {id(node) for node in documentation(tree)}
    literals = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in plain)
    return {run for node in literals if isinstance(node.value, str) for run in runs(node.value)}


def documentation(tree: ast.AST) -> Iterator[ast.Constant]:
    """Docstrings, but for those of functions that do nothing: a predictor's docstring is its prompt."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) and node.body:
            first, *rest = node.body
            predictor = isinstance(node, ast.FunctionDef) and all(is_constant(part) for part in rest)
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and not predictor:
                yield first.value


def is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def test_no_four_words_of_a_prompt_of_the_optimizers_stand_in_its_source() -> None:
    own = {run: path.name for path in offline_files() for text in strings(path.read_text()) for run in runs(text)}
    for path in sorted((ROOT / "optimizers").rglob("*.py")):
        shared = sorted(" ".join(run) for run in prompts(path.read_text()) if run in own)
        assert not shared, f"{path.name} and the offline model share {shared}"


def offline_files() -> list[Path]:
    folder = Path(offline.__file__).resolve().parent
    return sorted(folder.glob("offline*.py"))


def test_the_scan_sees_prompts_and_passes_over_documentation() -> None:
    source = '''
"""Module text that nobody sends."""
@predict
def write(examples: str) -> str:
    """Write the very best instruction."""
    ...
def code(x):
    """Helps with all the things."""
    return f"One two three four {x}"
PROMPT = "alpha beta gamma delta"
'''
    found = {" ".join(run) for run in prompts(source)}
    assert found == {"write the very best", "the very best instruction", "one two three four", "alpha beta gamma delta"}


def test_the_scan_reads_all_files_of_the_model() -> None:
    names = {path.name for path in offline_files()}
    assert {"offline.py", "offline_instruction.py", "offline_examples.py", "offline_text.py"} <= names
    assert len(names) >= 9


def test_it_holds_no_examples_and_no_corpus() -> None:
    longest = max((text for path in offline_files() for text in literals_of(path)), key=lambda text: len(text.split()))
    words = longest.split()
    assert words == sorted(words), "the longest string is the list of stop words, in order"
    assert len(words) < 400


def literals_of(path: Path) -> Iterator[str]:
    """String literals that are no docstrings."""
    tree = ast.parse(path.read_text())
    plain = {id(node) for node in documentation(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in plain:
            yield node.value
