"""Releases what a forked process must not share with its parent.

A fork copies the memory and the open sockets of a process, but only one of its threads: the one
that forked. An event loop of the parent never runs in the child, yet the child keeps every port and
connection of the parent open. So every object that owns sockets or takes calls registers here, and
gives up both in each child.
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
    """Point file descriptors of a forked child at the null device, without freeing their numbers.

    Copies of the parent's objects still hold the numbers. If a number were freed and used again,
    such an object would later close an unrelated file.
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
