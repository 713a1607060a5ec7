"""References on the command line: ``app.py:support`` and ``package.module:support``.

A reference runs the file or module it names, because whoever typed the command said so. No file of Treadle's own ever
makes one: an artifact names nothing that could be imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from treadle.compiler.errors import ConfigurationError, TreadleError


class UserCodeFailed(TreadleError):
    """A file named on the command line raised while it was loaded."""


def resolve(reference: str) -> Any:
    """The object ``reference`` names, after running the file or module that holds it.

    The file's folder, or for a module the current one, is put first on ``sys.path``, as Python does for a script.

    Raises:
        ConfigurationError: The reference is not of the form, or names nothing that exists; lists what there is.
        UserCodeFailed: The code raised; names the line.
    """
    place, colon, name = reference.rpartition(":")
    if not colon or not place or not name:
        msg = f"{reference!r} does not say where to look: write file.py:name or package.module:name"
        raise ConfigurationError(msg)
    module = _file(Path(place)) if place.endswith(".py") else _module(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            msg = f"{place} has no {name!r}; it has {', '.join(_public(module)) or 'no public names'}"
            raise ConfigurationError(msg)
        found = getattr(found, part)
    return found


def _public(module: ModuleType) -> list[str]:
    """Names the module itself defines, in the order it does."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and getattr(value, "__module__", module.__name__) == module.__name__
    ]


def _file(path: Path) -> ModuleType:
    file = path.resolve()
    for loaded in list(sys.modules.values()):
        if getattr(loaded, "__file__", None) == str(file):
            return loaded
    if not file.is_file():
        msg = f"there is no file {path}"
        raise ConfigurationError(msg)
    _first_on_path(str(file.parent))
    name = _name_for(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        msg = f"{path} is not a Python file"
        raise ConfigurationError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # hints of its classes are looked up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _failed(str(path), error) from error
    return module


def _name_for(file: Path) -> str:
    """The file's own name, unless importing that name would give another module."""
    if not file.stem.isidentifier():
        return f"_{file.stem}_"
    known = None if file.stem in sys.modules else importlib.util.find_spec(file.stem)
    taken = file.stem in sys.modules or (known is not None and known.origin != str(file))
    return f"_{file.stem}_" if taken else file.stem


def _module(name: str) -> ModuleType:
    _first_on_path(os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise _failed(name, error) from error
        msg = f"there is no module {name!r}; for a file write {name.replace('.', '/')}.py:…"
        raise ConfigurationError(msg) from None
    except Exception as error:
        raise _failed(name, error) from error


def _first_on_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _failed(what: str, error: Exception) -> Exception:
    """The error to show: Treadle's own as it is, any other with the line of the user's code that raised it."""
    if isinstance(error, TreadleError):
        return error
    where = ""
    if isinstance(error, SyntaxError):
        where = f", line {error.lineno}"
    else:
        frame = error.__traceback__
        while frame is not None:
            file = frame.tb_frame.f_code.co_filename
            if not file.startswith("<frozen"):
                where = f", {Path(file).name} line {frame.tb_lineno}" if file != __file__ else where
            frame = frame.tb_next
    return UserCodeFailed(f"{what} failed while it was loaded{where}: {type(error).__name__}: {error}")
