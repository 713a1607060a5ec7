"""Keys by identity, for caches of things that need not be hashable."""

from __future__ import annotations


class Same:
    """A key that is equal where the very same objects are meant; it keeps them alive, so that no id is used twice.

    >>> a, b = [1], [1]
    >>> Same(a) == Same(a), Same(a) == Same(b)
    (True, False)
    """

    __slots__ = ("objects",)

    def __init__(self, *objects: object) -> None:
        self.objects = objects

    def __hash__(self) -> int:
        return hash(tuple(map(id, self.objects)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and all(a is b for a, b in zip(self.objects, other.objects, strict=True))
