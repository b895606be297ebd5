"""The audit log: which entries, and what they say."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from alphapulse_api.domain.addresses import parse_address
from alphapulse_api.domain.deeds import ACTIONS, AUTHS
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import BookId, Choice, Metadata, Text, Timestamp
from alphapulse_api.schemas.queries import CommaList, ExportQuery, ListQuery, SortedQuery


class AuditAction(Choice):
    """What was done: the kind of the target, and the verb."""

    words = tuple(sorted(ACTIONS))


class TargetKind(Choice):
    """The kind of a target."""

    words = tuple(sorted(set(ACTIONS.values())))


class AuditAuth(Choice):
    """How the actor proved who it is."""

    words = AUTHS


class Address(Text):
    """An IP address in any spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        address = parse_address(text)
        return text if address is None else str(address)


class AuditFilters(SortedQuery):
    """Which entries."""

    actor = Text(128, metadata={"description": "who did it: a name"})
    action = CommaList(
        AuditAction, metadata={"description": "any of them: repeated, or one comma list"}
    )
    target = Text(256, metadata={"description": "the id of what it was done to"})
    address = Address(64, metadata={"description": "where the request came from"})


class AuditQuery(AuditFilters, ListQuery):
    """Which entries, and which page of them."""


class AuditExport(AuditFilters, ExportQuery):
    """Which entries, as a file."""


class AuditEntry(Answer):
    """What somebody did."""

    id = Text(64)
    at = Timestamp()
    actor = Text(
        256,
        allow_none=True,
        metadata={
            "description": "a user, an API key, the user of the operating system, or a part of the "
            "server; null: nobody was authenticated"
        },
    )
    role = Text(64, allow_none=True, metadata={"description": "of the user or key at that time"})
    auth = AuditAuth()
    key_id = Text(64, allow_none=True, metadata={"description": "of the API key"})
    address = Text(
        64,
        allow_none=True,
        metadata={"description": "of the client, as trusted proxies state it; null: no request"},
    )
    request_id = Text(128, allow_none=True)
    action = AuditAction()
    target_kind = TargetKind()
    target_id = Text(256, allow_none=True)
    book = BookId(allow_none=True, metadata={"description": "of the target"})
    before = Metadata(
        allow_none=True,
        metadata={"description": "the fields that changed; null: it did not exist"},
    )
    after = Metadata(
        allow_none=True,
        metadata={"description": "the same as they became; null: it exists no more"},
    )
    count = fields.Integer(
        metadata={
            "description": "1; failed logins of one address, user and minute are one entry with "
            "their number"
        }
    )
