"""Long reads have connections of their own, so that a short read always finds a free one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

TOO_LONG: Final = (
    "The database took longer than database.statement_timeout ({:g} s) for this question. "
    "Ask for less: a shorter range, a filter, a lower limit."
)

_long: ContextVar[bool] = ContextVar("long_reads", default=False)


@contextmanager
def long_reads() -> Iterator[None]:
    """Everything that is fetched in the block may take long: an export, a whole history."""
    token = _long.set(True)
    try:
        yield
    finally:
        _long.reset(token)


def is_long() -> bool:
    """Whether what is fetched now may take long."""
    return _long.get()
