"""The choice between the engines, by `database.url`."""

from __future__ import annotations

from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import ConfigError
from alphapulse_api.storage.engine.base import Engine
from alphapulse_api.storage.sqlite.engine import SQLiteEngine


def engine_from(config: DatabaseConfig) -> Engine:
    """The engine that `database.url` names, not yet open.

    Raises:
        ConfigError: if no engine serves that URL, or its driver is not installed.
    """
    scheme, _, rest = config.url.partition("://")
    if scheme == "sqlite":
        # sqlite:///relative.db, sqlite:////absolute.db: the path is what follows the third slash.
        path = rest.removeprefix("/")
        if not path or path == ":memory:":
            raise ConfigError("database.url: sqlite needs a file, such as sqlite:///alphapulse.db")
        return SQLiteEngine(
            path,
            network_file=config.network_file,
            statement_timeout=config.statement_timeout,
        )
    if scheme == "postgresql":
        return _postgres(config)
    raise ConfigError(f"database.url: no engine for {scheme}://; use sqlite:/// or postgresql://")


def _postgres(config: DatabaseConfig) -> Engine:
    try:
        import asyncpg  # noqa: F401
    except ImportError:
        raise ConfigError(
            'database.url: PostgreSQL needs asyncpg: pip install "alphapulse_api[postgres]"'
        ) from None
    from alphapulse_api.storage.postgres.engine import PostgresEngine

    return PostgresEngine(
        config.url,
        pool_size=config.pool_size,
        statement_timeout=config.statement_timeout,
        pgbouncer=config.pgbouncer,
    )
