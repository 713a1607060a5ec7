"""Demos: worked examples shown in a prompt."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import cast

from treadle.compiler.canonical import JSON


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demo:
    """One worked example of a signature.

    Attributes:
        inputs: Input values by field name, as JSON.
        outputs: Output values by field name, as JSON; fields a module adds, such as ``reasoning``, may be absent.
        origin: Where it comes from: ``"labelled"``, ``"bootstrapped"``, ``"repaired"`` or ``"user"``.
    """

    inputs: Mapping[str, JSON]
    outputs: Mapping[str, JSON]
    origin: str = "user"

    def to_json(self) -> dict[str, JSON]:
        """The demo as data."""
        return {"inputs": self.inputs, "outputs": self.outputs, "origin": self.origin}

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> Demo:
        """A demo from data that has been validated."""
        return cls(
            inputs=cast(Mapping[str, JSON], data["inputs"]),
            outputs=cast(Mapping[str, JSON], data["outputs"]),
            origin=str(data.get("origin", "user")),
        )
