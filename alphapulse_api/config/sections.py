"""The sections of the configuration: what can be set, its type, default, range and meaning."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from alphapulse_api.config import checks
from alphapulse_api.config.masks import hide, hide_password
from alphapulse_api.config.options import Option, Section, option
from alphapulse_api.errors import ConfigError

__all__ = [
    "AuthConfig",
    "CacheConfig",
    "ConsoleConfig",
    "CorsConfig",
    "DatabaseConfig",
    "DocsConfig",
    "EventsConfig",
    "LoggingConfig",
    "PortfolioConfig",
    "RateLimitConfig",
    "RetentionConfig",
    "SharedSection",
    "WebSocketConfig",
]

# A century: keeps sums of times inside what dates can hold.
LONGEST = 100 * 365 * 86_400

_COUNT = checks.between(1, checks.LARGEST)
_WHOLE_SECONDS = checks.between(1, LONGEST)
_SECONDS = checks.above(0, LONGEST)
_SECONDS_OR_ZERO = checks.between(0, LONGEST)


@dataclass(frozen=True, slots=True)
class SharedSection(Section):
    """What is kept in the process, or in a Redis for several."""

    type: Literal["memory", "redis"] = field(
        default="memory",
        metadata=option("In the process, or in a Redis that several processes share."),
    )
    redis_url: str | None = field(
        default=None,
        repr=False,
        metadata=option(
            "redis://, rediss:// or unix:// URL. Required when type is redis; events.redis_url is "
            "cache.redis_url unless it is given.",
            checks.redis_url,
            mask=hide_password,
            needed=lambda values: bool(values["type"] == "redis"),
        ),
    )


@dataclass(frozen=True, slots=True)
class AuthConfig(Section):
    """Who may come in, and for how long."""

    path: ClassVar[str] = "auth"

    jwt_secret: str | None = field(
        default=None,
        repr=False,
        metadata=option(
            "Secret that signs tokens, at least 32 bytes. Without one, a secret is made once "
            "and kept beside the SQLite file; PostgreSQL needs one.",
            checks.jwt_secret,
            mask=hide,
        ),
    )
    token_expiry: int = field(
        default=3600, metadata=option("Life of an access token, in seconds.", _WHOLE_SECONDS)
    )
    refresh_expiry: int = field(
        default=2_592_000,
        metadata=option("Life of a refresh token, in seconds (30 days).", _WHOLE_SECONDS),
    )
    api_keys_enabled: bool = field(
        default=True, metadata=option("Whether API keys are accepted beside tokens.")
    )


@dataclass(frozen=True, slots=True)
class RateLimitConfig(Section):
    """How many requests a caller may make."""

    path: ClassVar[str] = "rate_limit"

    enabled: bool = field(default=True, metadata=option("Whether requests are counted at all."))
    requests_per_minute: int = field(
        default=120,
        metadata=option(
            "Requests a minute for each caller.", _COUNT, needed=lambda values: values["enabled"]
        ),
    )


@dataclass(frozen=True, slots=True)
class CorsConfig(Section):
    """Which web pages of other origins may call the API and open sockets."""

    path: ClassVar[str] = "cors"

    allowed_origins: tuple[str, ...] = field(
        default=(),
        metadata=option(
            'Origins, as scheme://host or scheme://host:port, or "*" for any. None: CORS is off.',
            checks.origin,
        ),
    )
    allow_credentials: bool = field(
        default=False,
        metadata=option(
            'Whether those pages may send cookies and HTTP logins. Not together with "*".',
            needed=lambda values: bool(values["allowed_origins"]),
        ),
    )

    def _check_together(self) -> None:
        if self.allow_credentials and "*" in self.allowed_origins:
            raise ConfigError(
                'cors.allowed_origins: "*" cannot be used while cors.allow_credentials is true; '
                "list the origins"
            )


@dataclass(frozen=True, slots=True)
class CacheConfig(SharedSection):
    """Where the answers to GET requests are kept, and how long."""

    path: ClassVar[str] = "cache"

    default_ttl: float = field(
        default=300.0,
        metadata=option("Longest age of a cached answer, in seconds. 0: none.", _SECONDS_OR_ZERO),
    )
    history_ttl: float = field(
        default=3600.0,
        metadata=option(
            "The same for a range of time that ended more than 5 minutes ago.", _SECONDS_OR_ZERO
        ),
    )
    max_bytes: int = field(
        default=64 * 2**20,
        metadata=option("Room for the memory cache, in bytes (64 MiB).", _COUNT),
    )

    def _check_together(self) -> None:
        if self.type == "redis" and self.redis_url is None:
            raise ConfigError("cache.redis_url: is required when cache.type is redis")


@dataclass(frozen=True, slots=True)
class LoggingConfig(Section):
    """What is logged, and in what form."""

    path: ClassVar[str] = "logging"

    level: Literal["debug", "info", "warning", "error"] = field(
        default="info", metadata=option("The least severe messages that are logged.")
    )
    format: Literal["text", "json"] = field(
        default="text", metadata=option("Lines for people, or one JSON object a line.")
    )


@dataclass(frozen=True, slots=True)
class WebSocketConfig(Section):
    """Limits of the WebSocket endpoint."""

    path: ClassVar[str] = "websocket"

    max_connections: int = field(
        default=1000,
        metadata=option("Sockets open at once in one process; more are answered 503.", _COUNT),
    )
    max_user_connections: int | None = field(
        default=None,
        metadata=option(
            "Sockets of one user or key open at once in one process. null: no other limit.", _COUNT
        ),
    )
    connects_per_minute: int = field(
        default=6000,
        metadata=option("Sockets one address may open in a minute; more are answered 429.", _COUNT),
    )
    ping_interval: float = field(
        default=30.0, metadata=option("Seconds between heartbeats and pings.", _SECONDS)
    )
    auth_timeout: float = field(
        default=10.0,
        metadata=option("Seconds a new socket has to authenticate in.", _SECONDS),
    )
    max_message_size: int = field(
        default=65_536, metadata=option("Largest message a client may send, in bytes.", _COUNT)
    )
    max_buffer: int = field(
        default=1_048_576,
        metadata=option(
            "Bytes that may wait for a slow client before its socket is closed.", _COUNT
        ),
    )
    max_lag: float = field(
        default=30.0,
        metadata=option(
            "Seconds that a message may wait for a slow client before its socket is closed.",
            _SECONDS,
        ),
    )


def _kept(what: str) -> dict[str, Option]:
    text = f"How long {what} are kept. null: forever."
    return option(text, _SECONDS, duration=True)


@dataclass(frozen=True, slots=True)
class RetentionConfig(Section):
    """How long each kind of data is kept, in seconds; None is forever."""

    path: ClassVar[str] = "database.retention"
    one_for_all: ClassVar[bool] = True

    metrics: float | None = field(default=None, metadata=_kept("metric points"))
    rollups: float | None = field(
        default=None, metadata=_kept("aggregated metrics (never shorter than their points)")
    )
    trades: float | None = field(default=None, metadata=_kept("trades"))
    alerts: float | None = field(default=None, metadata=_kept("alerts"))
    portfolio: float | None = field(default=None, metadata=_kept("past portfolio values"))
    signals: float | None = field(default=None, metadata=_kept("agents' signals"))
    system: float | None = field(default=None, metadata=_kept("system samples"))


@dataclass(frozen=True, slots=True)
class DatabaseConfig(Section):
    """Where the data is stored, and how long it is kept."""

    path: ClassVar[str] = "database"

    url: str = field(
        default="sqlite:///alphapulse.db",
        repr=False,
        metadata=option(
            "sqlite:/// and a path, relative to the working directory or with a fourth slash "
            "absolute; or a postgresql:// URL.",
            checks.database_url,
            mask=hide_password,
        ),
    )
    pool_size: int = field(
        default=10,
        metadata=option(
            "Connections to PostgreSQL that a process holds at most; one of them writes.",
            checks.between(2, 1000),
        ),
    )
    statement_timeout: float = field(
        default=10.0,
        metadata=option(
            "Seconds after which PostgreSQL ends a statement.", checks.between(0.001, 86_400)
        ),
    )
    pgbouncer: bool = field(
        default=False,
        metadata=option("Whether a PgBouncer in transaction mode stands before PostgreSQL."),
    )
    retention: RetentionConfig = field(default_factory=RetentionConfig)


@dataclass(frozen=True, slots=True)
class EventsConfig(SharedSection):
    """The log of events that sockets are fed from."""

    path: ClassVar[str] = "events"

    history_size: int = field(
        default=10_000,
        metadata=option("Events a channel keeps for clients that reconnect.", _COUNT),
    )
    history_ttl: float = field(
        default=3600.0, metadata=option("Seconds a channel keeps them for.", _SECONDS_OR_ZERO)
    )


@dataclass(frozen=True, slots=True)
class PortfolioConfig(Section):
    """The current portfolio."""

    path: ClassVar[str] = "portfolio"

    stale_after: float = field(
        default=300.0,
        metadata=option("Seconds after which a portfolio is called stale.", _SECONDS),
    )


@dataclass(frozen=True, slots=True)
class DocsConfig(Section):
    """The pages that describe the API."""

    path: ClassVar[str] = "docs"

    enabled: bool = field(
        default=True,
        metadata=option("Whether /docs, /openapi.json and /asyncapi.json are served."),
    )


@dataclass(frozen=True, slots=True)
class ConsoleConfig(Section):
    """The page that watches the dashboard in a browser."""

    path: ClassVar[str] = "console"

    enabled: bool = field(
        default=True,
        metadata=option("Whether /console/ is served, where the extra `console` is installed."),
    )
