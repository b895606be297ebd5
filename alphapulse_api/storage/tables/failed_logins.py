"""Failed logins in the audit log: few entries, however many there are.

Those of one address, user and reason in one minute are one entry with a count, whose other fields
are those of the first. More than `MOST` such groups in a minute share an entry without any of them.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final

from alphapulse_api.domain.deeds import Actor, Deed
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.tables.audit import COLUMNS, entry_of

MOST: Final = 30  # groups a minute: about 10 MB a day in a flood from everywhere
FAILED_LOGIN: Final = "user.failed_login"
_MINUTE: Final = timedelta(minutes=1)


async def note_failed_login(
    transaction: Transaction, actor: Actor, username: str | None, reason: str
) -> None:
    """Store or count a failed login.

    Args:
        actor: who tried.
        username: of the user; None if there is no such user. An unknown name is not stored, because
            people type passwords into the wrong field.
        reason: why it failed, as a word for programs.
    """
    at = now()
    minute = at.replace(second=0, microsecond=0)
    entry = entry_of(Deed(actor, FAILED_LOGIN, username, after={"reason": reason}))
    entry |= {"at": at, "id": _id(f"{minute:%Y%m%dT%H%M}", actor.address, username, reason)}
    rows = await transaction.fetch(
        "SELECT id FROM audit WHERE action = $1 AND at >= $2 AND at < $3 ORDER BY at, id LIMIT $4",
        FAILED_LOGIN,
        to_micros(minute),
        to_micros(minute + _MINUTE),
        MOST,
    )
    if len(rows) == MOST and all(id_ != entry["id"] for (id_,) in rows):
        rest = {"target_id": None, "address": None, "request_id": None, "after": None}
        entry |= {**rest, "id": _id(f"{minute:%Y%m%dT%H%M}")}
    await transaction.execute(
        f"{COLUMNS.insert} ON CONFLICT (id) DO UPDATE SET count = audit.count + excluded.count",
        *COLUMNS.store(entry),
    )


def _id(minute: str, *group: Any) -> str:
    digest = hashlib.blake2b(repr(group).encode(), digest_size=8).hexdigest()
    return f"failed-{minute}-{digest}" if group else f"failed-{minute}-others"
