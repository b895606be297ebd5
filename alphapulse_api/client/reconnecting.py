"""Holds one connection after the other, for as long as that makes sense."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import aiohttp

from alphapulse_api.client.backoff import Backoff
from alphapulse_api.client.connection import (
    CONNECT_SECONDS,
    Connection,
    ConnectionLost,
    handshake_failure,
)
from alphapulse_api.client.conversation import CredentialsError, PassingError
from alphapulse_api.client.credentials import Credentials, Secret
from alphapulse_api.client.errors import ApiError, StreamError, Unreachable
from alphapulse_api.client.http import FAULTS

logger = logging.getLogger(__name__)

RESUME_AT_ONCE: Final = "slow_consumer"
Connect = Callable[[Secret], Awaitable[aiohttp.ClientWebSocketResponse]]


class Reconnecting:
    """The connections of something that outlives them.

    Args:
        connect: opens a WebSocket.
        credentials: the source of secrets.
        backoff: how long to wait before another connection.
        sleep: waits a number of seconds.

    Attributes:
        connections: how many have been opened.
    """

    def __init__(
        self,
        connect: Connect,
        credentials: Credentials,
        backoff: Backoff,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._connect = connect
        self._credentials = credentials
        self._backoff = backoff
        self._sleep = sleep
        self._established = asyncio.Event()  # once the server has confirmed what is asked for
        self._refusals = 0
        self.connections = 0

    @property
    def _settled(self) -> bool:
        """Whether the server may close the connection and be asked again at once."""
        return False

    async def _converse(self, connection: Connection) -> NoReturn:
        """Use a connection until it ends with an exception."""
        raise NotImplementedError

    async def _hold_connections(self) -> NoReturn:
        while True:
            await self._sleep(await self._hold_connection())

    async def _hold_connection(self) -> float:
        """Hold one connection from handshake to end; return the seconds to wait before the next."""
        try:
            secret = await self._credentials.current()
            try:
                socket = await self._open(secret)
                connection = Connection(socket, self._credentials, secret)
                try:
                    await self._converse(connection)
                finally:
                    secret = connection.secret
                    await socket.close()
            except CredentialsError as refused:
                return self._credentials_refused(str(refused), secret)
        except ApiError as error:
            return self._refused(error)
        except ConnectionLost as lost:
            at_once = lost.reason == RESUME_AT_ONCE and self._settled
            return self._lost(lost, 0.0 if at_once else None)
        except (*FAULTS, Unreachable, PassingError) as fault:
            return self._lost(fault)

    async def _open(self, secret: Secret) -> aiohttp.ClientWebSocketResponse:
        """Connect with the secret in the handshake.

        A socket that authenticates later counts against the server's small bound for
        unauthenticated sockets, which many streams of one client would exceed.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await self._connect(secret)
        except aiohttp.WSServerHandshakeError as error:
            raise handshake_failure(error) from None
        self.connections += 1
        return socket

    def _credentials_refused(self, code: str, secret: Secret) -> float:
        """Try once more with a new secret, if there is one; the next refusal is final."""
        if not self._credentials.reject(secret) or self._refusals:
            raise StreamError(code, "the server refuses the credentials")
        self._refusals += 1
        return self._lost(ConnectionLost(code), 0.0)

    def _refused(self, error: ApiError) -> float:
        """Wait after a refused login or connection if the refusal is temporary, else raise it."""
        temporary = error.status >= 500 or error.status == 429
        # A proxy answers in place of a server that restarts. Before the first subscription the
        # address is more likely wrong, and waiting would not help.
        if not temporary and (error.from_dashboard or not self._established.is_set()):
            raise error
        # The jitter spreads clients that were all given the same Retry-After.
        return self._lost(error, (error.retry_after or 0.0) + self._backoff.next())

    def _lost(self, fault: Exception, wait: float | None = None) -> float:
        wait = self._backoff.next() if wait is None else wait
        logger.warning(
            "lost the stream's connection (%s); reconnecting in %.1f s",
            str(fault) or repr(fault),
            wait,
        )
        return wait
