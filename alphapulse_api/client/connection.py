"""One WebSocket connection of a stream: frames, liveness, and the renewal of its token."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import orjson

from alphapulse_api.client.conversation import AUTH, CredentialsError
from alphapulse_api.client.credentials import Credentials, Secret
from alphapulse_api.client.errors import StreamError
from alphapulse_api.client.http import refusal
from alphapulse_api.domain import integers
from alphapulse_api.domain.errors import EXPIRED_CHALLENGE

CONNECT_SECONDS: Final = 10.0  # for the handshake, and then for the welcome
# The server sends a heartbeat and a ping each interval. After ASK_INTERVALS without a frame the
# client sends a ping; after LOST_INTERVALS it gives up the connection.
ASK_INTERVALS: Final = 1.5
LOST_INTERVALS: Final = 2.5

# Close reasons for which reconnecting is useless.
FATAL: Final = frozenset({"revoked", "text_only", "too_big"})
REFUSED: Final = frozenset({"auth_failed", "token_expired"})


class ConnectionLost(Exception):
    """The connection ended, and a new one may succeed.

    Attributes:
        reason: the server's close reason; empty if it gave none.
    """

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


class Connection:
    """Sends and receives messages, and keeps the connection authenticated.

    Args:
        socket: an open WebSocket.
        credentials: the source of new secrets.
        secret: the secret that was sent in the handshake.

    Attributes:
        ping_interval: seconds between the server's pings, from its welcome.
        secret: the newest secret that was sent to the server.
    """

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, credentials: Credentials, secret: Secret
    ) -> None:
        self._socket = socket
        self._credentials = credentials
        self._clock = asyncio.get_running_loop().time
        self._renew_at = math.inf  # set once the server announces that the token expires
        self._renewable_at = self._next_secret_at()
        self.ping_interval = CONNECT_SECONDS / LOST_INTERVALS
        self.secret = secret

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send one message as JSON."""
        await self._socket.send_str(orjson.dumps(message).decode())

    async def receive(self) -> dict[str, Any]:
        """Return the next message; renew the token and check for silence while waiting.

        Raises:
            ConnectionLost: if the connection ended, or was silent for too long.
            CredentialsError: if the server closed it because it refuses the credentials.
            StreamError: if the server closed it for a reason for which reconnecting is useless.
        """
        last_frame = self._clock()
        asked = False
        while True:
            if self._clock() >= self._renew_at:
                await self._renew()
            intervals = LOST_INTERVALS if asked else ASK_INTERVALS
            silent_at = last_frame + intervals * self.ping_interval
            wait = min(silent_at, self._renew_at) - self._clock()
            try:
                frame = await self._socket.receive(max(wait, 0.001))
            except TimeoutError:
                if self._clock() < silent_at:
                    continue
                if asked:
                    raise ConnectionLost("no frame arrived in time") from None
                asked = True
                await self.send({"type": "ping"})
                continue
            if frame.type is aiohttp.WSMsgType.TEXT:
                message: dict[str, Any] = integers.loads(frame.data)
                return message
            raise _end(frame)

    async def keep_alive(self) -> None:
        """Do what the server expects of a client that is too busy to read.

        An unsolicited pong counts as an answer (RFC 6455, section 5.5.3). The announcement that the
        token expires may be among the unread frames, so the token is renewed without it.
        """
        await self._socket.pong()
        if self._clock() >= self._renewable_at:
            await self._renew()

    def plan_renewal(self) -> None:
        """Send a new token as soon as there is one; the same token would be announced again."""
        self._renew_at = self._next_secret_at()

    async def _renew(self) -> None:
        self._renew_at = math.inf
        self.secret = secret = await self._credentials.current()
        self._renewable_at = self._next_secret_at()
        await self.send({"type": "auth", "id": AUTH, secret.kind: secret.value})

    def _next_secret_at(self) -> float:
        wait = self._credentials.renews_in()
        return math.inf if wait is None else self._clock() + wait


def handshake_failure(error: aiohttp.WSServerHandshakeError) -> Exception:
    """Convert a refused handshake to a `CredentialsError` or, for other reasons, an `ApiError`."""
    refused = refusal(error.status, error.message, error.headers)
    if error.status != 401 or not refused.from_dashboard:
        return refused
    assert error.headers is not None  # they named the problem
    expired = EXPIRED_CHALLENGE in error.headers.get("WWW-Authenticate", "")
    return CredentialsError("token_expired" if expired else "auth_failed")


def _end(frame: aiohttp.WSMessage) -> Exception:
    if frame.type is not aiohttp.WSMsgType.CLOSE:
        return ConnectionLost("the connection ended without a close frame")
    code, reason = frame.data, frame.extra or ""
    if reason in REFUSED:
        return CredentialsError(reason)
    if reason in FATAL:
        return StreamError(reason, f"the server closed the connection with {code}")
    return ConnectionLost(f"{code} {reason}", reason)
