"""The printed schema is the one the reader holds documents against."""

import json

from tests.artifact.programs import graph, program_of, tuned
from treadle.compiler.artifact.document import ScoresDocument
from treadle.compiler.artifact.emit import dumps
from treadle.compiler.artifact.schema import schema
from treadle.compiler.study.gate import Comparison


def closed(part: object) -> bool:
    """Whether every object in the schema with named fields refuses others."""
    if isinstance(part, dict):
        own = "properties" not in part or part.get("additionalProperties") is False
        return own and all(closed(inner) for inner in part.values())
    return all(closed(inner) for inner in part) if isinstance(part, list) else True


def test_the_schema_is_json_and_closed() -> None:
    written = json.loads(json.dumps(schema()))
    assert written["title"] == "treadle/program version 1"
    assert written["properties"]["version"]["const"] == 1
    assert closed(written)


def test_documents_have_the_fields_the_schema_requires() -> None:
    for program in (program_of(graph()), tuned()):
        document = json.loads(dumps(program))
        assert set(document) == set(schema()["required"])
        assert set(document["provenance"]) == set(schema()["$defs"]["Provenance"]["required"])


def test_scores_are_those_of_a_comparison() -> None:
    assert set(ScoresDocument.model_fields) == set(Comparison.__dataclass_fields__)
