"""Releases what a forked process must not share with its parent.

A fork copies the memory and the open sockets of a process, but of its threads only the one that
forked. An event loop of the parent never runs in the child, while the child keeps every port and
connection of the parent open. So whatever owns sockets or takes calls registers here, and gives up
both in each child.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that belongs to the process that created it."""

    def disown(self) -> None:
        """Give up sockets, and refuse every call from now on; called in a forked child."""
        ...


_owned: Final[WeakSet[Forkable]] = WeakSet()


def disown_in_children(owner: Forkable) -> None:
    """Call `owner.disown()` in every process that is forked from now on."""
    _owned.add(owner)


def keep_in_children(owner: Forkable) -> None:
    """Undo `disown_in_children`: the owner has nothing left to give up."""
    _owned.discard(owner)


def release(descriptors: Iterable[int]) -> None:
    """Make file descriptors of a forked child refer to nothing, without closing their numbers.

    The objects that hold the numbers are copies of the parent's. If the numbers were closed and
    used again, those objects would later close a file of somebody else.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        for descriptor in descriptors:
            os.dup2(nothing, descriptor, inheritable=False)
    finally:
        os.close(nothing)


def _disown_all() -> None:
    for owner in tuple(_owned):
        owner.disown()
    _owned.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_disown_all)
