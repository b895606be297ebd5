"""Access tokens: JWT (RFC 7519), one fixed algorithm, every claim required and checked."""

from __future__ import annotations

import os
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import jwt

from alphapulse_api.errors import ConfigError, StartupError
from alphapulse_api.times import now

ALGORITHM: Final = "HS256"
ISSUER: Final = "alphapulse_api"
AUDIENCE: Final = "alphapulse_api"
MIN_SECRET_BYTES: Final = 32  # RFC 7518, section 3.2: as long as the hash
_REQUIRED: Final = ["iss", "aud", "sub", "iat", "exp", "jti", "gen"]


class Claims(NamedTuple):
    """What a valid token says. `generation` is the user's when it was made."""

    username: str
    jti: str
    generation: int
    expires_at: datetime


class TokenError(Exception):
    """The token is not valid."""


class TokenExpired(TokenError):
    """The token was valid, once."""


class Tokens:
    """Makes and checks access tokens.

    Args:
        secret: 32 bytes or more.
        lifetime: seconds a token is valid.
    """

    def __init__(self, secret: str, lifetime: int) -> None:
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ConfigError(f"auth.jwt_secret: needs at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret
        self.lifetime = lifetime

    def __repr__(self) -> str:
        return f"<Tokens {ALGORITHM} lifetime={self.lifetime}>"

    def make(self, username: str, generation: int) -> str:
        """A new token of a user."""
        issued = int(now().timestamp())
        return jwt.encode(
            {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "sub": username,
                "iat": issued,
                "exp": issued + self.lifetime,
                "jti": secrets.token_hex(16),
                "gen": generation,
            },
            self._secret,
            ALGORITHM,
        )

    def check(self, token: str) -> Claims:
        """The claims of a token.

        Raises:
            TokenExpired: if only its time is over.
            TokenError: if anything else about it is wrong.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired("the token has expired") from None
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise TokenError("the token is not valid") from None
        username, jti, generation = claims["sub"], claims["jti"], claims["gen"]
        if not isinstance(jti, str) or not isinstance(generation, int):
            raise TokenError("the token is not valid")
        return Claims(username, jti, generation, datetime.fromtimestamp(claims["exp"], UTC))


def secret_beside(database: str) -> str:
    """The secret kept beside a database file, made on first use with mode 0600.

    Raises:
        StartupError: if it can be neither read nor made.
    """
    path = Path(f"{database}.jwt-secret")
    try:
        if not path.exists():
            _keep(path, secrets.token_urlsafe(48))
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"auth.jwt_secret: cannot keep one in {path}: {error}") from None


def _keep(path: Path, secret: str) -> None:
    """Write the file whole or not at all; of two processes that start at once, one wins."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
