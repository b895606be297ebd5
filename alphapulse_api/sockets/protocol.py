"""The socket's protocol as a state machine: text frames in, actions out; no I/O and no clock.

The connection carries the actions out and reports the result of an authentication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alphapulse_api.auth.caller import Caller
from alphapulse_api.auth.permissions import EXECUTE
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import AUTH_FAILED, FLOODING, TOKEN_EXPIRED, Close
from alphapulse_api.limits import Gcra
from alphapulse_api.sockets.command_requests import Serve, Take, UpdateCommand
from alphapulse_api.sockets.options import included
from alphapulse_api.sockets.refusal import MessageId, Refused
from alphapulse_api.sockets.requests import (
    Authenticate,
    ListSubscriptions,
    Ping,
    Request,
    Selection,
    Subscribe,
    Unsubscribe,
    id_of,
    parse,
)

VERSION: Final = 1
MESSAGES_A_SECOND: Final = 10
MESSAGE_BURST: Final = 20
# Refused messages after which a client is disconnected, because it ignores the errors it is sent.
MAX_REFUSALS: Final = 100


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this message."""

    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection."""

    close: Close


Quick = Reply | Unsubscribe | Disconnect
Slow = Authenticate | Subscribe | Serve | Take | UpdateCommand  # they read stores
Action = Quick | Slow


class Protocol:
    """The server's side of one conversation.

    Args:
        caller: the caller that authenticated with the handshake, if any.

    Attributes:
        caller: the caller that authenticated last.
        subscriptions: by channel, what was acknowledged.
    """

    __slots__ = ("_limit", "_refusals", "caller", "subscriptions")

    def __init__(self, caller: Caller | None = None) -> None:
        self.caller = caller
        self.subscriptions: dict[str, Selection] = {}
        self._limit = Gcra(MESSAGE_BURST, MESSAGE_BURST / MESSAGES_A_SECOND, callers=1)
        self._refusals = 0

    def count(self, text: str, at: float) -> list[Quick]:
        """Count a text frame on arrival.

        Args:
            text: the frame.
            at: monotonic time in seconds.

        Returns:
            What to do instead of carrying it out; empty if the client is within its limit.
        """
        if not self._limit.take(None, at).allowed:
            return self._flooded(text)
        self._refusals = max(0, self._refusals - 1)
        return []

    def receive(self, text: str, now: datetime) -> list[Action]:
        """Return what to do about a text frame that was counted.

        Args:
            text: the frame.
            now: wall-clock time, for the answer to a ping.
        """
        try:
            request = parse(text, authenticated=self.caller is not None)
        except Refused as refusal:
            return [error(refusal.id, refusal.code, refusal.text, refusal.channel)]
        return [self._act(request, now)]

    def authenticated(self, message_id: MessageId, caller: Caller) -> list[Quick]:
        """Note that the credentials are valid; return what to do.

        A new caller may have fewer permissions than the previous one. It then loses the
        subscriptions to channels that it may not read; if it is limited to other books, all of
        them.
        """
        before, self.caller = self.caller, caller
        fewer = caller.books is not None and before is not None and before.books != caller.books
        reply = _reply(
            "authenticated",
            message_id,
            username=caller.username,
            role=caller.role,
            expires_at=caller.expires_at,
        )
        lost = [
            name
            for name in self.subscriptions
            if fewer
            or not caller.permissions.issuperset(_needed(name, self.subscriptions[name]).values())
        ]
        return [reply, Unsubscribe(None, lost)] if lost else [reply]

    def refused(self, message_id: MessageId, reason: str, *, expired: bool) -> list[Quick]:
        """Return what to do about credentials that are not valid."""
        code, close = ("token_expired", TOKEN_EXPIRED) if expired else ("auth_failed", AUTH_FAILED)
        return [error(message_id, code, reason), Disconnect(close)]

    def _flooded(self, frame: str) -> list[Quick]:
        self._refusals += 1
        if self._refusals > MAX_REFUSALS:
            return [Disconnect(FLOODING)]
        text = f"At most {MESSAGES_A_SECOND} messages a second, {MESSAGE_BURST} in a burst."
        return [error(id_of(frame), "rate_limited", text)]

    def _act(self, request: Request, now: datetime) -> Action:
        match request:
            case Ping():
                return _reply("pong", request.id, timestamp=now)
            case ListSubscriptions():
                return self._list(request)
            case Subscribe():
                permissions = self.caller.permissions if self.caller is not None else ()
                for name, selection in request.channels.items():
                    for what, permission in _needed(name, selection).items():
                        if permission not in permissions:
                            text = f"You may not read {what}."
                            return error(request.id, "forbidden", text, name)
            case Serve() | Take() | UpdateCommand():
                if self.caller is None or EXECUTE not in self.caller.permissions:
                    text = "Only an API key of the scope execute may take commands."
                    return error(request.id, "forbidden", text)
                if isinstance(request, Serve) and (
                    foreign := [one for one in request.agents if one not in self.caller.agents]
                ):
                    text = f"The key does not serve {foreign[0][:64]!r}."
                    return error(request.id, "forbidden", text)
        return request

    def _list(self, request: ListSubscriptions) -> Reply:
        channels = {name: _shown(selected) for name, selected in self.subscriptions.items()}
        return _reply("subscriptions", request.id, channels=channels)


def _needed(channel: str, selection: Selection) -> dict[str, str]:
    """By channel or further type, the permission that a subscription needs."""
    parts = (CHANNELS[channel], *included(selection.options))
    return {part.name: part.permission for part in parts}


def error(message_id: MessageId, code: str, text: str, channel: str | None = None) -> Reply:
    """Return an error message; `code` is one of `SOCKET_ERRORS`."""
    more = {} if channel is None else {"channel": channel}
    return _reply("error", message_id, code=code, message=text, **more)


def acknowledged(
    kind: str, message_id: MessageId, channels: Mapping[str, Any] | Sequence[str]
) -> Reply:
    """Return the answer to subscribe or unsubscribe."""
    return _reply(kind, message_id, channels=channels)


def _shown(selection: Selection) -> dict[str, Any]:
    filters = {name: sorted(values) for name, values in selection.filters.items()}
    options = {"options": selection.options} if selection.options else {}
    return {"filters": filters, **options}


def _reply(kind: str, message_id: MessageId, **members: Any) -> Reply:
    head = {"type": kind} if message_id is None else {"type": kind, "id": message_id}
    return Reply({**head, **members})
