"""Versions of records that a PUT changes: answers name them, and a later PUT may require one."""

from __future__ import annotations

from typing import Any, NamedTuple

from alphapulse_api.domain.errors import PRECONDITION_FAILED, Problem


class Versioned(dict[str, Any]):
    """A record with its version.

    Attributes:
        version: changes with every change of the record; None if it is not known.
    """

    version: str | None = None


class Precondition(NamedTuple):
    """What a change requires of the stored record (RFC 9110, section 13.1).

    Attributes:
        exists: the record must exist (`If-Match`).
        versions: the record must have one of these versions; None allows any.
        absent: the record must not exist (`If-None-Match: *`).
        others: the record must have none of these versions.
    """

    exists: bool = False
    versions: frozenset[str] | None = None
    absent: bool = False
    others: frozenset[str] = frozenset()

    def check(self, version: str | None, what: str) -> None:
        """Refuse a change of a record that does not fulfil the condition.

        Args:
            version: of the record; None if there is no such record.
            what: the record, as a noun phrase.

        Raises:
            Problem: 412.
        """
        if self.exists and version is None:
            raise Problem(PRECONDITION_FAILED, f"There is no {what} yet; leave If-Match out.")
        if self.versions is not None and version not in self.versions:
            raise Problem(
                PRECONDITION_FAILED,
                f"The {what} is of another version than If-Match names: something else changed it. "
                "Nothing was stored; read it again.",
            )
        if version is not None and (self.absent or version in self.others):
            which = "exists" if self.absent else "is of a version that If-None-Match names"
            raise Problem(
                PRECONDITION_FAILED,
                f"The {what} {which}. Nothing was stored; leave If-None-Match out to change it.",
            )
