"""The client's credentials: a key, a token, or tokens that it renews by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from alphapulse_api.client.errors import ApiError

# A token is renewed when RENEW_SECONDS are left or RENEW_SHARE of its lifetime has passed,
# whichever is later. The server announces expiry 60 s ahead, and at once for a short-lived token.
RENEW_SECONDS: Final = 60.0
RENEW_SHARE: Final = 0.4


class Secret(NamedTuple):
    """One credential; `kind` is the field of the socket's auth message: api_key or token."""

    kind: str
    value: str

    def __repr__(self) -> str:
        return f"<Secret {self.kind}>"

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP header that carries it."""
        if self.kind == "api_key":
            return {"X-API-Key": self.value}
        return {"Authorization": f"Bearer {self.value}"}


class Credentials(Protocol):
    """A source of secrets."""

    async def current(self) -> Secret:
        """Return the secret to send now."""
        ...

    def renews_in(self) -> float | None:
        """Return the seconds until `current` returns a new secret; None if it never does."""
        ...

    def reject(self, secret: Secret) -> bool:
        """Note that the server refused the secret; return whether `current` can get a new one."""
        ...


class Fixed:
    """A key, or a token that the client's user renews."""

    __slots__ = ("_secret",)

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    async def current(self) -> Secret:
        return self._secret

    def renews_in(self) -> float | None:
        return None

    def reject(self, secret: Secret) -> bool:
        return False


class Login:
    """Tokens of a user, refreshed before they expire or obtained by a new login.

    Args:
        grant: sends a form to `POST /token` and returns the answer.
        username: of the user.
        password: of the user.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        grant: Callable[[Mapping[str, str]], Awaitable[Mapping[str, Any]]],
        username: str,
        password: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._grant = grant
        self._username = username
        self._password = password
        self._clock = clock
        self._access_token: str | None = None
        self._refresh_token: str | None = None
        self._renew_at = 0.0
        self._renewing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Login {self._username}>"

    async def current(self) -> Secret:
        """Return an access token that is not about to expire.

        Raises:
            ApiError: if the login is refused.
            Unreachable: if there is no answer.
        """
        async with self._renewing:
            if self._access_token is None or self._clock() >= self._renew_at:
                await self._renew()
            assert self._access_token is not None
            return Secret("token", self._access_token)

    def renews_in(self) -> float | None:
        return max(0.0, self._renew_at - self._clock())

    def reject(self, secret: Secret) -> bool:
        if secret.value == self._access_token:
            self._access_token = None
        return True

    async def _renew(self) -> None:
        # A refresh token works once, and a second use may end the whole login. If the answer is
        # lost, nobody knows whether the token was used, so it is dropped beforehand.
        refresh_token, self._refresh_token = self._refresh_token, None
        granted = None
        if refresh_token is not None:
            granted = await self._refresh(refresh_token)
        if granted is None:
            granted = await self._grant(
                {
                    "grant_type": "password",
                    "username": self._username,
                    "password": self._password,
                }
            )
        lifetime = float(granted["expires_in"])
        self._renew_at = self._clock() + max(lifetime - RENEW_SECONDS, lifetime * RENEW_SHARE)
        self._access_token = granted["access_token"]
        self._refresh_token = granted["refresh_token"]

    async def _refresh(self, refresh_token: str) -> Mapping[str, Any] | None:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        try:
            return await self._grant(form)
        except ApiError as refusal:
            if refusal.status not in (400, 401):
                raise
            return None
