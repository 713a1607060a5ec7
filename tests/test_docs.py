"""What the documents show works: snippets of README and docs run, examples in docstrings too."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import treadle

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

# A page's script is its python blocks and the setup it hides in comments; a block after "not run: why" stays out.
_PARTS = re.compile(
    r"<!-- setup\n(?P<setup>.*?)-->|(?P<skip><!-- not run: [^\n]+ -->\n)?```python\n(?P<code>.*?)```", re.DOTALL
)


def script(page: Path) -> str:
    """The page's code at the lines where it stands, so that a traceback names the line of the page."""
    text = page.read_text()
    lines: list[str] = []
    for part in _PARTS.finditer(text):
        code = part["setup"] or part["code"]
        if part["skip"] or not code:
            continue
        start = text.count("\n", 0, part.start("setup") if part["setup"] else part.start("code"))
        lines += [""] * (start - len(lines))
        lines += code.rstrip("\n").split("\n")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("page", [page for page in PAGES if script(page).strip()], ids=lambda page: str(page.name))
def test_a_page_runs(page: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.py"
    path.write_text(script(page))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{page.relative_to(ROOT)}\n{done.stderr[-4000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def _modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(treadle.__path__, "treadle."):
        yield module.name


@pytest.mark.parametrize("name", sorted(_modules()))
def test_the_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
