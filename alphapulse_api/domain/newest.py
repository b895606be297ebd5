"""Which of two records is the current one, where the clock that stamped one of them ran ahead.

A time that lies ahead of now is not a fact yet: the clock of its sender, or of the server that
stamped it, is or was wrong. So it gives way to whatever is received later, instead of standing
above everything until that time has come.
"""

from __future__ import annotations


def overtakes(received: int, known: int, now: int, ahead: int) -> bool:
    """Whether a record that is received now becomes the current one.

    Args:
        received: its time; like all of these in microseconds since the epoch.
        known: the time of the one that is current so far.
        now: this clock.
        ahead: how far a sender's clock may be ahead; what is older than that by now is a late
            record of the past, and does not take the place of one that is ahead by no more.
    """
    if received >= known:
        return True
    return known > now and (received >= now - ahead or known > now + ahead)
