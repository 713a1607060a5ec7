from collections.abc import Iterator
from typing import Any

import pytest

from tests.optimizers.program import Lab, OpenLab


@pytest.fixture
def lab() -> Iterator[OpenLab]:
    """Opens labs, and closes them after the test."""
    opened: list[Lab] = []

    def open_lab(**settings: Any) -> Lab:
        opened.append(Lab(**settings))
        return opened[-1]

    yield open_lab
    for each in opened:
        each.study.close()
