"""mypy and pyright agree with what the files beside this one assert of types."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILES = sorted(str(path.relative_to(ROOT)) for path in Path(__file__).parent.glob("*.py") if "test_" not in path.name)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is in the extra `dev`")
def test_mypy_sees_the_users_types() -> None:
    found = run(sys.executable, "-m", "mypy", "--follow-imports=silent", *FILES)
    assert found.returncode == 0, found.stdout + found.stderr


PYRIGHT = shutil.which("pyright", path=str(Path(sys.executable).parent))


@pytest.mark.skipif(PYRIGHT is None, reason="pyright is in the extra `dev`")
def test_pyright_sees_the_users_types() -> None:
    version = run(PYRIGHT or "", "--version")
    if version.returncode:
        pytest.skip("pyright cannot start: it needs node, or a network to fetch it")
    found = run(PYRIGHT or "", "--pythonpath", sys.executable, *FILES)
    assert found.returncode == 0, found.stdout + found.stderr
