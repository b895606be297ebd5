"""Versions of what a PUT changes: each answer names one, and a later PUT may require it."""

from __future__ import annotations

from typing import Any, NamedTuple

from alphapulse_api.domain.errors import PRECONDITION_FAILED, Problem


class Versioned(dict[str, Any]):
    """A record with its version.

    Attributes:
        version: changes with every change of the record; None: not known.
    """

    version: str | None = None


class IfMatch(NamedTuple):
    """What the sender of a change requires of the record that it changes.

    Attributes:
        versions: one of these is the record's; None: any, but the record exists.
    """

    versions: frozenset[str] | None

    def check(self, version: str | None, what: str) -> None:
        """Refuse a change of another version.

        Args:
            version: of the record; None: there is no such record.
            what: the record, as a noun phrase.

        Raises:
            Problem: 412.
        """
        if version is None:
            raise Problem(PRECONDITION_FAILED, f"There is no {what} yet; leave If-Match out.")
        if self.versions is not None and version not in self.versions:
            raise Problem(
                PRECONDITION_FAILED,
                f"The {what} is of another version than If-Match names: something else changed it. "
                "Nothing was stored; read it again.",
            )
