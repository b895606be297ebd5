"""What became of one attempt to send a message."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """The result of one attempt.

    Attributes:
        error: why the receiver did not take it, without secrets; None: it took it.
        uncertain: whether the receiver may have got it all the same. Then the same message, with
            the same id, is sent again.
        final: whether it makes no sense to try again.
        retry_after: seconds that the receiver asked to wait.
        reached: the positions of its URLs that took it, if others did not.
    """

    error: str | None = None
    uncertain: bool = False
    final: bool = False
    retry_after: float | None = None
    reached: frozenset[int] = frozenset()
