"""Signed JSON to a URL, as Standard Webhooks describes it.

The URL is from the configuration, which only operators write, so it may be in a private network.
Redirects are not followed: otherwise a receiver could send this server's requests to any address.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Final

import aiohttp

from alphapulse_api.config import WebhookConfig
from alphapulse_api.domain.times import EPOCH, MICROSECOND, rfc3339
from alphapulse_api.domain.version import VERSION
from alphapulse_api.notify.message import Message
from alphapulse_api.notify.outcome import Outcome
from alphapulse_api.notify.signing import signed_headers

CONNECT_SECONDS: Final = 5.0


class WebhookChannel:
    """Posts messages to one URL.

    Args:
        config: the URL and the secret.
        timeout: seconds for a request.
        clock: seconds since the epoch.
    """

    def __init__(self, config: WebhookConfig, timeout: float, clock: Callable[[], float]) -> None:
        assert config.url is not None
        assert config.secret is not None
        self._url = config.url
        self._secret = config.secret
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return "<WebhookChannel>"

    async def send(self, message: Message, reached: Collection[int]) -> Outcome:
        """Post a message; see `Channel.send`."""
        seconds = self._clock()
        body = message.json(rfc3339(EPOCH + round(seconds * 1_000_000) * MICROSECOND))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"alphapulse-api/{VERSION}",
            **signed_headers(message.id, int(seconds), body, self._secret),
        }
        # Errors of the client repeat the URL, so only their kind is told.
        try:
            async with self._opened().post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return _outcome(response.status, response.headers.get("Retry-After", ""))
        except aiohttp.ClientConnectorError as error:
            return Outcome(f"cannot connect: {_reason(error)}")
        except TimeoutError:
            return Outcome(f"no answer within {self._timeout.total:g} s", uncertain=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(f"the connection failed: {type(error).__name__}", uncertain=True)

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self._session


def _reason(error: aiohttp.ClientConnectorError) -> str:
    """Why a connection was not made, without the address."""
    cause = error.os_error
    if isinstance(cause, socket.gaierror):
        return "the name of the host is not known"
    return os.strerror(cause.errno) if cause.errno else type(error).__name__


def _outcome(status: int, retry_after: str) -> Outcome:
    """What a status says; the body of an answer is not read."""
    if 200 <= status < 300:
        return Outcome()
    if 300 <= status < 400:
        return Outcome(f"HTTP {status}: redirects are not followed")
    if status == HTTPStatus.GONE:
        return Outcome("HTTP 410: the receiver wants no more messages", final=True)
    after = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 7 else None
    return Outcome(f"HTTP {status}", retry_after=after)
