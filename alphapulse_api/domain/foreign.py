"""Stand-ins for values whose classes do not travel between processes, and the names of classes."""

from __future__ import annotations


class Foreign:
    """Stands for a value of a class that does not travel; every check refuses it.

    Attributes:
        name: of the class.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<a value of type {self.name}>"


def type_name(kind: type) -> str:
    """A class's name with its module, unless it is Python's own."""
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
