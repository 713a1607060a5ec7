"""The JSON Schema of program files."""

from __future__ import annotations

from typing import Any

from treadle.compiler.artifact.document import FORMAT, VERSION, ProgramDocument


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a program file.

    A file that fits it may still be refused: the schema says which fields there are, loading checks what they mean.
    """
    written = ProgramDocument.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **written,
        "title": f"{FORMAT} version {VERSION}",
    }
