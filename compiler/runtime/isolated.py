"""The child process of ``isolate.py``: calls one function of generated code once. Limits, not a security boundary.

It is started by its path, or in a container of the user's, and imports nothing of Treadle. It reads one JSON document
and writes one; before it runs code it begins the reply with an empty line::

    {"code": "…", "function": "extract", "args": ["…"], "named": {}, "imports": ["re"], "limits": {…}}
    {"value": …}
    {"error": {"type": "ValueError", "message": "…", "line": 3}}
    {"unconfined": "…"}        the limits could not be set; nothing was run

``limits`` is left out where somebody else confines the process: ``folder`` (its own), ``network`` (whether it is left
on), ``cpu`` (seconds), ``memory`` and ``file_size`` (bytes).
"""

from __future__ import annotations
import __future__

import contextlib
import importlib
import importlib.machinery
import json
import math
import os
import sys
import types
from typing import Any

_FILE = "code.py"
_DEEPEST = 100
_LONGEST = 2_000
_LONGEST_NAME = 100
_MOST_FILES = 16
_NOBODY = 65534
_LATE = ("_strptime", "encodings.ascii", "encodings.cp1252", "encodings.latin_1", "encodings.utf_16")
"""Modules Python itself imports late."""
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_DIE_WITH_PARENT, _NO_NEW_PRIVILEGES = 1, 38


class _Given(importlib.machinery.SourceFileLoader):
    """Makes a module of a text that is in no file."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, _FILE)
        self._text = text.encode()

    def get_data(self, path: str) -> bytes:
        return self._text

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:  # type: ignore[override]  # static there
        return compile(data, path, "exec", __future__.annotations.compiler_flag, True)  # hints are read by nobody

    def path_stats(self, path: str) -> Any:
        raise OSError(path)  # nothing is cached


class _NotJson(TypeError):
    """What the function returned has no JSON form."""


def main() -> None:
    """Read the request, confine this process, call the function, write what came of it."""
    request = json.loads(sys.stdin.buffer.read())
    out = os.dup(1)
    _silence()
    os.environ.clear()
    try:
        for name in request["imports"]:  # while files can still be read
            importlib.import_module(name)
        if "limits" in request:
            _confine(request["limits"])
    except (ImportError, OSError, ValueError) as error:
        reply = json.dumps({"unconfined": str(error)})
    else:
        _write(out, b"\n")  # from here on it may be the code that writes
        sys.addaudithook(_refuse_world)
        reply = _called(request)
    _write(out, reply.encode())
    os._exit(0)  # nothing the code has left behind runs at exit


def _silence() -> None:
    """What the code prints goes nowhere, and what it reads is empty."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)


def _write(out: int, data: bytes) -> None:
    while data:
        data = data[os.write(out, data) :]


# --- limits ----------------------------------------------------------------------------------------------------------


def _confine(limits: dict[str, Any]) -> None:
    """Give up the network, root, and all but the stated share of the machine.

    Raises:
        OSError: The kernel refuses to take the network away.
    """
    import ctypes
    import resource

    libc = ctypes.CDLL(None, use_errno=True)
    alone = bool(limits["network"]) or _unshare(libc, _NEW_NET)
    _drop_root(limits["folder"])
    if not alone and not _unshare(libc, _NEW_USER | _NEW_NET):
        raise OSError(f"the kernel gives this process no network of its own: {os.strerror(ctypes.get_errno())}")
    if sys.platform == "linux":
        libc.prctl(_DIE_WITH_PARENT, 9, 0, 0, 0)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    for what, most in (
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["file_size"]),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        _limit(resource, what, most)


def _unshare(libc: Any, flags: int) -> bool:
    return hasattr(libc, "unshare") and libc.unshare(flags) == 0


def _drop_root(folder: str) -> None:
    """The kernel does not count root's processes, so root becomes nobody, who may not read root's Python any more."""
    if os.getuid() == 0:
        for name in _LATE:
            importlib.import_module(name)
        with contextlib.suppress(OSError):  # in a namespace that has only root
            os.chown(folder, _NOBODY, _NOBODY)
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _limit(resource: Any, what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


_REFUSED = (
    "ctypes.", "os.chmod", "os.chown", "os.exec", "os.fork", "os.kill", "os.link", "os.mkdir", "os.posix_spawn",
    "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.spawn", "os.symlink", "os.system", "os.truncate", "pty.",
    "resource.", "shutil.", "signal.", "socket.", "subprocess.",
)  # fmt: skip
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_written: set[str] = set()


def _refuse_world(event: str, args: tuple[Any, ...]) -> None:
    """Refuse what the check of the text should have found, in words a reader can act on."""
    if event == "open":
        path, mode, flags = args
        reads = not (flags or 0) & (os.O_WRONLY | os.O_RDWR) and (mode is None or set(mode) <= set("rbt"))
        if not (reads and str(path).startswith(_LIBRARY)) and not _in_own_folder(path):
            raise PermissionError(f"generated code may not open files ({str(path)[:80]!r})")
        if not reads:
            _written.add(path)
            if len(_written) > _MOST_FILES:
                raise PermissionError(f"generated code may not write more than {_MOST_FILES} files")
    elif event in ("os.listdir", "os.scandir"):
        if not str(args[0]).startswith(_LIBRARY.rstrip(os.sep)):
            raise PermissionError(f"generated code may not list folders ({str(args[0])[:80]!r})")
    elif event.startswith(_REFUSED):
        raise PermissionError(f"generated code may not use {event}")


def _in_own_folder(path: object) -> bool:
    return isinstance(path, str) and os.sep not in path and path not in (os.curdir, os.pardir)


# --- the call --------------------------------------------------------------------------------------------------------


def _called(request: dict[str, Any]) -> str:
    name = request["function"]
    try:
        module = types.ModuleType("code")
        _Given("code", request["code"]).exec_module(module)
        return json.dumps({"value": _plain(getattr(module, name)(*request["args"], **request["named"]), 0)})
    except BaseException as error:  # whatever it raises is told, SystemExit too
        return json.dumps({"error": _told(error)})


def _told(error: BaseException) -> dict[str, Any]:
    try:
        message = str(error)[:_LONGEST].encode("utf-8", "replace").decode()
    except Exception:  # an exception of the code's own may fail here as well
        message = ""
    return {"type": type(error).__name__[:_LONGEST_NAME], "message": message, "line": _line(error)}


def _line(error: BaseException) -> int | None:
    """The last line of the code itself that the error passed through."""
    if isinstance(error, SyntaxError) and error.filename == _FILE:
        return error.lineno
    found, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == _FILE:
            found = frame.tb_lineno
        frame = frame.tb_next
    return found


def _plain(value: Any, depth: int) -> Any:
    """``value`` if JSON holds exactly it; a tuple becomes a list.

    Raises:
        _NotJson: It does not.
    """
    kind = type(value)
    if depth > _DEEPEST:
        raise _NotJson(f"returned a value nested more than {_DEEPEST} deep")
    if kind in (list, tuple):
        return [_plain(item, depth + 1) for item in value]
    if kind is dict and all(type(key) is str for key in value):
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if value is None or kind in (bool, int) or (kind is float and math.isfinite(value)):
        return value
    if kind is str:
        value.encode()  # a lone surrogate is no text
        return value
    what = "a dict whose keys are not all text" if kind is dict else f"{kind.__name__}"
    raise _NotJson(f"returned {what}, which JSON cannot hold: return text, numbers, booleans, None, lists and dicts")


if __name__ == "__main__":
    main()
