"""Access tokens (JWT, RFC 7519: one fixed algorithm, every claim checked) and refresh tokens.

PyJWT verifies the signature. The claims are checked here, against a table: a signed token may hold
any JSON value in any claim, and every malformed claim must be refused.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import jwt

from alphapulse_api.domain.errors import ConfigError, StartupError
from alphapulse_api.domain.times import now, rfc3339

ALGORITHM: Final = "HS256"
ISSUER: Final = "alphapulse_api"
AUDIENCE: Final = "alphapulse_api"
MIN_SECRET_BYTES: Final = 32  # RFC 7518, section 3.2: as long as the hash
TYPE: Final = "at+jwt"  # RFC 9068, section 2.1: other kinds of JWT are refused as access tokens
_LATEST: Final = 253_370_764_800  # in the year 9999; a later date plus the leeway would overflow
_ID = re.compile(r"[!-~]{1,128}")


class Claims(NamedTuple):
    """The claims of a valid token.

    Attributes:
        username: the subject.
        jti: identifies the token.
        generation: the user's token generation when the token was created.
        expires_at: when it expires.
        family: identifies the login that it comes from and is revoked with; None if there is none.
    """

    username: str
    jti: str
    generation: int
    expires_at: datetime
    family: str | None


class TokenError(Exception):
    """The token is invalid; the text may be shown to the caller."""


class TokenExpired(TokenError):
    """The token has expired, and is valid otherwise."""


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_time(value: object) -> bool:
    # NaN and the infinities are in no range.
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= _LATEST  # type: ignore[operator]


def _names_us(value: object) -> bool:
    return value == AUDIENCE or (
        isinstance(value, list) and all(map(_is_text, value)) and AUDIENCE in value
    )


_REQUIRED: Final[dict[str, Callable[[object], bool]]] = {
    "iss": lambda value: value == ISSUER,
    "aud": _names_us,
    "sub": _is_text,
    "jti": _is_id,
    "gen": _is_count,
    "iat": _is_time,
    "exp": _is_time,
}
_OPTIONAL: Final[dict[str, Callable[[object], bool]]] = {"nbf": _is_time, "fam": _is_id}


class Tokens:
    """Creates and checks access tokens.

    Args:
        secret: signs tokens; at least 32 bytes.
        lifetime: of an access token, in seconds.
        leeway: seconds by which the clocks of issuer and verifier may differ.

    Raises:
        ConfigError: if the secret is too short.
    """

    def __init__(self, secret: str, lifetime: int, leeway: float = 0.0) -> None:
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ConfigError(f"auth.jwt_secret: needs at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret
        self.lifetime = lifetime
        self.leeway = timedelta(seconds=leeway)

    def __repr__(self) -> str:
        return f"<Tokens {ALGORITHM} lifetime={self.lifetime}>"

    def make(self, username: str, generation: int, family: str | None = None) -> str:
        """A new access token for a user, from the login `family`."""
        issued = int(now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": username,
            "iat": issued,
            "exp": issued + self.lifetime,
            "jti": secrets.token_hex(16),
            "gen": generation,
        }
        if family is not None:
            claims["fam"] = family
        return jwt.encode(claims, self._secret, ALGORITHM, headers={"typ": TYPE})

    def make_refresh(self) -> str:
        """A new refresh token: random, with a tag that proves its origin.

        The tag is not the credential; the token's row in the database is. It distinguishes forged
        tokens from genuine ones in memory, so that forgers are throttled by their address and
        others who share that address are not.
        """
        random = secrets.token_urlsafe(32)
        return f"{random}.{self._tag(random)}"

    def made(self, token: str) -> bool:
        """Whether this is an access or refresh token that was created with the same secret."""
        random, _, tag = token.rpartition(".")
        if hmac.compare_digest(self._tag(random).encode(), tag.encode()):
            return True
        try:
            self.check(token)
        except TokenExpired:
            return True
        except TokenError:
            return False
        return True

    def _tag(self, random: str) -> str:
        # The prefix keeps tags apart from signatures: no JWT's signing input begins like this.
        digest = hmac.digest(self._secret.encode(), f"refresh {random}".encode(), "sha256")
        return digest[:16].hex()

    def check(self, token: str) -> Claims:
        """The claims of a token.

        An `iat` in the future is accepted: the issuer's clock may be fast, and RFC 7519 reserves
        `nbf` for the time before which a token is not valid.

        Raises:
            TokenExpired: if it has expired and is valid otherwise.
            TokenError: if it is not valid.
        """
        try:
            decoded = jwt.decode_complete(
                token, self._secret, algorithms=[ALGORITHM], options=_SIGNATURE_ONLY
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError):
            raise TokenError(_INVALID) from None
        header, claims = decoded["header"], decoded["payload"]
        # RFC 7515, section 4.1.11: an extension we do not know must not be ignored.
        if not _is_ours(header.get("typ")) or "crit" in header:
            raise TokenError(_INVALID)
        if not all(name in claims and check(claims[name]) for name, check in _REQUIRED.items()):
            raise TokenError(_INVALID)
        if not all(check(claims[name]) for name, check in _OPTIONAL.items() if name in claims):
            raise TokenError(_INVALID)
        self._check_times(_time(claims["exp"]), _time(claims.get("nbf", 0)))
        return Claims(
            claims["sub"], claims["jti"], claims["gen"], _time(claims["exp"]), claims.get("fam")
        )

    def _check_times(self, expires_at: datetime, valid_from: datetime) -> None:
        instant = now()
        if expires_at + self.leeway <= instant:
            raise TokenExpired(expired(expires_at, instant))
        if valid_from - self.leeway > instant:
            raise TokenError(
                f"The access token is not valid before {rfc3339(valid_from)}, and this server's "
                f"clock says {rfc3339(instant)}. Check the clock of whoever made the token."
            )


_INVALID: Final = "The access token is not valid."
_SIGNATURE_ONLY: Final[Any] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def expired(expires_at: datetime, instant: datetime) -> str:
    """The message about expired credentials."""
    return (
        f"The credentials expired at {rfc3339(expires_at)}; this server's clock says "
        f"{rfc3339(instant)}."
    )


def _is_ours(kind: object) -> bool:
    # RFC 7515, section 4.1.9: a media type, whose "application/" may be left out.
    return isinstance(kind, str) and kind.lower().removeprefix("application/") == TYPE


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def secret_beside(database: str) -> str:
    """The secret in a file beside the database file, created on first use with mode 0600.

    Raises:
        StartupError: if it can be neither read nor created.
    """
    path = Path(f"{database}.jwt-secret")
    try:
        if not path.exists():
            _keep(path, secrets.token_urlsafe(48))
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"auth.jwt_secret: cannot keep one in {path}: {error}") from None


def _keep(path: Path, secret: str) -> None:
    """Create the file atomically; of two processes that start together, one wins."""
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
