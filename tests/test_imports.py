"""Importing Treadle and asking for help cost little: no heavy library is imported, and no socket is opened."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"aiohttp", "litellm", "networkx", "optuna"}
NEEDED_TO_RUN = {"asyncio", "jinja2", "sqlite3"}

WATCHED = """
import sys
events = []
sys.addaudithook(lambda event, args: events.append(event) if event.startswith("socket.") else None)
try:
    {code}
except SystemExit as left:
    assert not left.code, left.code
finally:
    print()
    print("sockets:", *sorted(set(events)))
    print("modules:", *sorted({{name.partition(".")[0] for name in sys.modules}}))
"""

PROGRAM = Path(__file__).parent.parent / "benchmarks" / "programs.py"


def _watch(code: str) -> tuple[set[str], set[str]]:
    """The socket events and the top-level modules of a fresh process that runs ``code``."""
    command = [sys.executable, "-c", WATCHED.format(code=code)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    *_, sockets, modules = out.splitlines()
    return set(sockets.split()[1:]), set(modules.split()[1:])


@pytest.mark.parametrize(
    "code",
    [
        "import treadle",
        "import treadle; [getattr(treadle, name) for name in treadle.__all__]",
        "from treadle.cli import main; main(['--help'])",
    ],
)
def test_no_heavy_library_and_no_socket(code: str) -> None:
    sockets, modules = _watch(code)
    assert not sockets
    assert "treadle" in modules
    assert not modules & HEAVY


def test_a_program_is_declared_without_what_runs_it() -> None:
    _, modules = _watch(f"import runpy; runpy.run_path({str(PROGRAM)!r})")
    assert "pydantic" in modules
    assert not modules & (HEAVY | NEEDED_TO_RUN)
