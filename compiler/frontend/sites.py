"""Which call site of a host-mode program is calling: its step name and its line, read off the caller's frame."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from types import CodeType, FrameType

from treadle.compiler.frontend.captured import Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """A call site.

    Attributes:
        name: The step's name: its predictor's, with ``#2`` for the second site in the program.
        line: The user's line; ``None`` outside programs.
    """

    name: str
    line: int | None


class Sites:
    """The call sites of one program's function, by their place in its file."""

    def __init__(self, code: CodeType, names: Mapping[Place, str]) -> None:
        self._names = names
        self._codes = {id(part): part for part in _nested(code)}  # by identity: code objects compare by value
        self._places: dict[tuple[int, int], Place | None] = {}

    def site(self, frame: FrameType, predictor: str) -> Site | None:
        """The site that ``frame`` stands at, if it is one of this function's."""
        code = frame.f_code
        if id(code) not in self._codes:
            return None
        key = (id(code), frame.f_lasti)
        if key not in self._places:
            self._places[key] = _place(code, frame.f_lasti)
        place = self._places[key]
        name = self._names.get(place, predictor) if place is not None else predictor
        return Site(name=name, line=frame.f_lineno)


def _nested(code: CodeType) -> list[CodeType]:
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.extend(_nested(constant))
    return found


def _place(code: CodeType, instruction: int) -> Place | None:
    positions = list(code.co_positions())
    line, end_line, column, end_column = positions[instruction // 2]
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return line, end_line, column, end_column


current_sites: ContextVar[Sites | None] = ContextVar("treadle_sites", default=None)
"""The call sites of the host-mode program that is running."""

_DEEPEST = 6  # frames between the user's call and here


def caller(predictor: str) -> Site:
    """The site the user's code is calling ``predictor`` from; outside host-mode programs, its bare name."""
    sites = current_sites.get()
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_DEEPEST if sites is not None else 0):
        if frame is None or sites is None:
            break
        found = sites.site(frame, predictor)
        if found is not None:
            return found
        frame = frame.f_back
    return Site(name=predictor, line=None)
