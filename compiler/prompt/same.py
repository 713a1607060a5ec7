"""Keys by identity, for caches of things that need not be hashable."""

from __future__ import annotations


class Same:
    """A key that is equal where the very same objects are meant; it keeps them alive, so that no id is used twice.

    >>> a, b = [1], [1]
    >>> Same(a) == Same(a), Same(a) == Same(b)
    (True, False)
    """

    __slots__ = ("_ids", "objects")

    def __init__(self, *objects: object) -> None:
        self.objects = objects
        self._ids = tuple(map(id, objects))

    def __hash__(self) -> int:
        return hash(self._ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self._ids == other._ids
