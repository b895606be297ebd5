"""What people and programs do to the dashboard, as the audit log has it: who did what to what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

Auth = Literal["password", "refresh_token", "jwt", "api_key", "command_line", "system"]
AUTHS: Final[tuple[str, ...]] = get_args(Auth)

# Whose targets are of which kind. A new deed is a row here; the filter of the audit log, the
# documents and the tests read them.
ACTIONS: Final[Mapping[str, str]] = {
    "alert.acknowledge": "alert",
    "alert.resolve": "alert",
    "api_key.create": "api_key",
    "api_key.revoke": "api_key",
    "book.create": "book",
    "book.update": "book",
    "command.end": "command",
    "command.send": "command",
    "projection.rebuild": "projection",
    "silence.create": "silence",
    "silence.end": "silence",
    "rule.create": "rule",
    "rule.delete": "rule",
    "rule.update": "rule",
    "user.create": "user",
    "user.failed_login": "user",
    "user.login": "user",
    "user.logout": "user",
    "user.reuse_token": "user",
    "user.update": "user",
}


class Actor(NamedTuple):
    """Who does something.

    Attributes:
        name: of the user, the API key, the user of the operating system, or the part of this
            package; None if nobody is authenticated.
        auth: how the actor proved who it is.
        role: of the user or key at that time.
        key_id: of the API key; its name may belong to several.
        address: where the request comes from, as trusted proxies state it; None without a request.
        request_id: of the request.
    """

    name: str | None
    auth: Auth
    role: str | None = None
    key_id: str | None = None
    address: str | None = None
    request_id: str | None = None


# The process that embeds the dashboard, which calls the feed without credentials.
HOST: Final = Actor("host", "system")


class Deed(NamedTuple):
    """One thing that somebody did.

    Attributes:
        actor: who.
        action: what; a key of `ACTIONS`.
        target_id: the id of what it was done to; None if it has none.
        book: of the target; None if it belongs to none.
        before: the target, or those of its fields that changed; None if it did not exist.
        after: the same as it is now; None if it does not exist any more. Neither has secrets or
            their hashes.
    """

    actor: Actor
    action: str
    target_id: str | None = None
    book: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def target_kind(self) -> str:
        """The kind of the target."""
        return ACTIONS[self.action]


def changed_fields(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields in which two states of a record differ, as they were and as they are.

    A field that one of the states lacks counts as None there.
    """
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {n: before.get(n) for n in names}, {n: after.get(n) for n in names}
