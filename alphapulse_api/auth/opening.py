"""Creates the configured accounts and authenticator of a database."""

from __future__ import annotations

import sys
from datetime import timedelta

from alphapulse_api.auth.accounts import ADMIN, Accounts
from alphapulse_api.auth.authenticator import Authenticator
from alphapulse_api.auth.grants import AccountError
from alphapulse_api.auth.throttles import Throttles
from alphapulse_api.auth.tokens import Tokens, secret_beside
from alphapulse_api.config import Config
from alphapulse_api.domain.errors import StartupError
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.tables.directory import AccountDataAccessor
from alphapulse_api.storage.tables.known_books import KnownBooks
from alphapulse_api.storage.tables.refresh_tokens import RefreshTokenDataAccessor


async def open_accounts(
    engine: Engine,
    config: Config,
    throttles: Throttles | None = None,
    *,
    first_user: bool = False,
) -> tuple[Accounts, Authenticator]:
    """The accounts and the authenticator of an open engine.

    Args:
        engine: stores users and keys.
        config: the configuration in force.
        throttles: the limits on wrong guesses; None where no untrusted caller can guess.
        first_user: whether to create `admin`, and print its password, if there are no users.

    Raises:
        StartupError: if AP_ADMIN_PASSWORD is not acceptable.
    """
    auth = config.auth
    secret = auth.jwt_secret or secret_beside(engine.location)
    tokens = Tokens(secret, auth.token_expiry, auth.leeway)
    store = AccountDataAccessor(engine)
    authenticator = Authenticator(
        store, tokens, throttles or Throttles(), api_keys_enabled=auth.api_keys_enabled
    )
    await authenticator.refresh()
    refresh_tokens = RefreshTokenDataAccessor(
        engine,
        grace=timedelta(seconds=auth.refresh_grace),
        access=timedelta(seconds=auth.token_expiry) + tokens.leeway,
    )
    accounts = Accounts(
        store, refresh_tokens, authenticator, tokens, auth.refresh_expiry, KnownBooks(engine)
    )
    if first_user:
        try:
            password = await accounts.ensure_admin()
        except AccountError as error:
            raise StartupError(str(error)) from None
        if password is not None:
            _announce_admin(password)
    return accounts, authenticator


def _announce_admin(password: str) -> None:
    """Print the first password to standard error, once; it is never logged."""
    print(  # noqa: T201
        f"alphapulse_api: made the user '{ADMIN}' with the password {password}\n"
        "                (shown this once; change it with: alphapulse-api user passwd admin)",
        file=sys.stderr,
        flush=True,
    )
