"""What users install is the tree, the whole tree and nothing but the tree."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LINKED = ("compiler", "modules", "optimizers")

# Imports all there is of treadle and prints where each module came from. `__main__` would start the program.
IMPORT_ALL = """
import importlib, os, pkgutil, sys
import treadle

def fail(name):
    raise
for found in pkgutil.walk_packages(treadle.__path__, "treadle.", onerror=fail):
    if not found.name.endswith(".__main__"):
        importlib.import_module(found.name)
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if file:
        print(name, os.path.realpath(file), sep="\\t")
"""


@pytest.mark.parametrize("folder", LINKED)
def test_links_are_links(folder: str) -> None:
    link = ROOT / "treadle" / folder
    assert link.is_symlink(), f"treadle/{folder} must be a link; on Windows, check out with core.symlinks=true"
    assert os.readlink(link) == f"../{folder}"
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder).is_symlink()


def test_no_module_is_loaded_twice() -> None:
    loaded = _import_all(ROOT, python_path=ROOT)
    folders = [ROOT / folder for folder in ("treadle", *LINKED)]
    ours = {name: file for name, file in loaded.items() if any(map(Path(file).is_relative_to, folders))}
    by_file: dict[str, list[str]] = {}
    for name, file in ours.items():
        by_file.setdefault(file, []).append(name)
    assert {file: names for file, names in by_file.items() if len(names) > 1} == {}
    assert [name for name in ours if name.partition(".")[0] != "treadle"] == []
    assert "treadle.compiler" in ours


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows or would take, links kept, so that building leaves nothing in the tree."""
    if importlib.util.find_spec("build") is None:
        pytest.skip("the package `build` is not installed: pip install -e '.[test]'")
    copy = tmp_path_factory.mktemp("checkout")
    for name in _tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build("wheel", checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build("sdist", checkout, tmp_path_factory.mktemp("sdist"))


def test_wheel_holds_only_treadle(wheel: Path) -> None:
    top = {name.partition("/")[0] for name in _names(wheel)}
    assert {re.sub(r"-.*(?=\.dist-info)", "", name) for name in top} == {"treadle", "treadle.dist-info"}


def test_wheel_holds_the_tree(wheel: Path) -> None:
    expected = {
        name if name.startswith("treadle/") else f"treadle/{name}"
        for name in _tracked()
        if name.partition("/")[0] in {"treadle", *LINKED} and not (ROOT / name).is_symlink()
    }
    packed = {name for name in _names(wheel) if name.startswith("treadle/")}
    assert sorted(expected - packed) == [], "name the package in [tool.setuptools] or the file in package-data"
    assert sorted(packed - expected) == []


def test_wheel_from_sdist_is_the_wheel_from_the_checkout(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    again = _build("wheel", source, tmp_path / "again")
    assert _contents(again) == _contents(wheel)


def test_wheel_runs_beside_folders_of_the_same_names(wheel: Path, tmp_path: Path) -> None:
    installed, project = tmp_path / "installed", tmp_path / "project"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    for folder in LINKED:
        (project / folder).mkdir(parents=True)
        (project / folder / "__init__.py").write_text("raise RuntimeError('this is the user\\'s own package')\n")
    loaded = _import_all(project, python_path=installed)
    ours = [file for name, file in loaded.items() if name.partition(".")[0] == "treadle"]
    assert ours
    assert [file for file in ours if not Path(file).is_relative_to(installed)] == []


def test_constraints_pin_every_dependency() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line)] == []
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(text) for text in project["dependencies"] + extras["test"] + extras["dev"]]
    wrong = [str(need) for need in wanted if pins.get(canonicalize_name(need.name), "none") not in need.specifier]
    assert wrong == []


def _tracked() -> list[str]:
    """Every file of the tree that git knows, or would take, by its path from the top."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout: the list of files comes from git")
    return [name for name in listing.stdout.decode().split("\0") if name and os.path.lexists(ROOT / name)]


def _build(what: str, source: Path, out: Path) -> Path:
    _run([sys.executable, "-m", "build", f"--{what}", "--no-isolation", "--outdir", str(out), str(source)], cwd=source)
    (built,) = out.iterdir()
    return built


def _contents(wheel: Path) -> dict[str, bytes]:
    """Files by name; RECORD repeats the others' hashes in an order of its own."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith(".dist-info/RECORD")}


def _names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if not name.endswith("/")]


def _import_all(folder: Path, python_path: Path) -> dict[str, str]:
    """Where each module came from when a script in `folder` imports all of treadle, warnings being errors."""
    printed = _run([sys.executable, "-W", "error", "-c", IMPORT_ALL], cwd=folder, PYTHONPATH=str(python_path))
    return {name: file for name, _, file in (line.partition("\t") for line in printed.splitlines())}


def _run(command: list[str], cwd: Path, **environment: str) -> str:
    variables: Mapping[str, str] = {**os.environ, **environment}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
