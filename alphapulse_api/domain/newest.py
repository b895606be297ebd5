"""Which of two records is the current one if the clock that stamped one of them ran ahead.

A time ahead of now is wrong: the clock of the sender, or of the server that stamped the record, is
or was ahead. So a record that is received later replaces such a one, even with an earlier time.
Otherwise it would stay current until its time has come.
"""

from __future__ import annotations


def overtakes(received: int, known: int, now: int, ahead: int) -> bool:
    """Whether a record that is received now becomes the current one.

    Args:
        received: its time, in microseconds since the epoch.
        known: the time of the record that is current so far, likewise.
        now: the time of this clock, likewise.
        ahead: by how many microseconds a sender's clock may be ahead. A record that is older than
            now by more is late, and does not replace one that is ahead by no more than this.
    """
    if received >= known:
        return True
    return known > now and (received >= now - ahead or known > now + ahead)
