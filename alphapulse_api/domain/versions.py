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


class IfMatch(NamedTuple):
    """The condition of a change: the version that the stored record must have.

    Attributes:
        versions: the allowed versions; None allows any, but the record must exist.
    """

    versions: frozenset[str] | None

    def check(self, version: str | None, what: str) -> None:
        """Refuse a change if the record has another version.

        Args:
            version: of the record; None if there is no such record.
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
