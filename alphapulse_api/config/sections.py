"""Sections of the configuration: what can be set, its type, default, range and meaning.

Those that say where things are kept are in storage.py.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from alphapulse_api.config import checks
from alphapulse_api.config.masks import hide
from alphapulse_api.config.options import Condition, Section, option

_HEAD = checks.between(1024, 16 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class AuthConfig(Section):
    """Authentication: who may log in, and for how long."""

    path: ClassVar[str] = "auth"

    jwt_secret: str | None = field(
        default=None,
        repr=False,
        metadata=option(
            "Secret that signs tokens, at least 32 bytes. Without one, a secret is generated once "
            "and kept beside the SQLite file; PostgreSQL requires one.",
            checks.jwt_secret,
            mask=hide,
        ),
    )
    token_expiry: int = field(
        default=3600,
        metadata=option("Lifetime of an access token, in seconds.", checks.WHOLE_SECONDS),
    )
    refresh_expiry: int = field(
        default=2_592_000,
        metadata=option("Lifetime of a refresh token, in seconds (30 days).", checks.WHOLE_SECONDS),
    )
    refresh_grace: float = field(
        default=10.0,
        metadata=option(
            "Seconds in which a refresh token may be used again, if its replacement is unused: the "
            "answer may have been lost. 0: never.",
            checks.between(0, 60),
        ),
    )
    leeway: float = field(
        default=30.0,
        metadata=option(
            "Seconds by which the clocks of the issuer and the verifier of a token may differ.",
            checks.between(0, 300),
        ),
    )
    api_keys_enabled: bool = field(
        default=True, metadata=option("Whether API keys are accepted besides tokens.")
    )


@dataclass(frozen=True, slots=True)
class RateLimitConfig(Section):
    """How many requests a caller may make."""

    path: ClassVar[str] = "rate_limit"

    enabled: bool = field(default=True, metadata=option("Whether requests are counted at all."))
    requests_per_minute: int = field(
        default=120,
        metadata=option(
            "Requests per minute for each caller.",
            checks.COUNT,
            needed=lambda values: values["enabled"],
        ),
    )


def _no_wildcard_with_credentials(credentials: bool, origins: tuple[str, ...]) -> str | None:
    if credentials and "*" in origins:
        return (
            'cors.allowed_origins: "*" cannot be used while cors.allow_credentials is true; '
            "list the origins"
        )
    return None


@dataclass(frozen=True, slots=True)
class CorsConfig(Section):
    """Which web pages of other origins may call the API and open sockets."""

    path: ClassVar[str] = "cors"
    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(("allow_credentials", "allowed_origins"), _no_wildcard_with_credentials),
    )

    allowed_origins: tuple[str, ...] = field(
        default=(),
        metadata=option(
            'Origins, as scheme://host or scheme://host:port, or "*" for any. Empty: CORS is off.',
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


@dataclass(frozen=True, slots=True)
class LoggingConfig(Section):
    """The level and format of the log."""

    path: ClassVar[str] = "logging"

    level: Literal["debug", "info", "warning", "error"] = field(
        default="info", metadata=option("The least severe messages that are logged.")
    )
    format: Literal["text", "json"] = field(
        default="text", metadata=option("Lines for people, or one JSON object per line.")
    )


@dataclass(frozen=True, slots=True)
class HttpConfig(Section):
    """Limits of what an HTTP client may send, and how long it may take."""

    path: ClassVar[str] = "http"

    max_url_size: int = field(
        default=16_384,
        metadata=option("Longest path and query of a request, in bytes; more is a 414.", _HEAD),
    )
    max_header_size: int = field(
        default=32_768,
        metadata=option("Longest single header of a request, in bytes; more is a 431.", _HEAD),
    )
    max_head_size: int = field(
        default=65_536,
        metadata=option(
            "Longest request line and headers together, in bytes; more is a 431.", _HEAD
        ),
    )
    max_headers: int = field(
        default=128,
        metadata=option("Most headers of a request; more are a 431.", checks.between(16, 10_000)),
    )
    header_timeout: float = field(
        default=60.0,
        metadata=option(
            "Seconds a client has to send a request's headers; later is a 408.", checks.SECONDS
        ),
    )
    body_timeout: float = field(
        default=60.0,
        metadata=option(
            "Seconds that may pass between two parts of a request's body; more is a 408.",
            checks.SECONDS,
        ),
    )
    send_timeout: float = field(
        default=60.0,
        metadata=option(
            "Seconds that a client may read nothing of a pending answer; then its connection is "
            "cut.",
            checks.SECONDS,
        ),
    )
    keepalive_timeout: float = field(
        default=75.0,
        metadata=option(
            "Seconds an idle connection stays open for the next request. Longer than the proxy's.",
            checks.SECONDS,
        ),
    )

    @property
    def max_line_size(self) -> int:
        """The parser's limit on the URL.

        It always differs from the limit on a header: an error of the parser names only the limit,
        and must show which of the two was exceeded.
        """
        return self.max_url_size + (self.max_url_size == self.max_header_size)


@dataclass(frozen=True, slots=True)
class WebSocketConfig(Section):
    """Limits of the WebSocket endpoint."""

    path: ClassVar[str] = "websocket"

    max_connections: int = field(
        default=1000,
        metadata=option(
            "Sockets open at once in one process; more are answered 503.", checks.COUNT
        ),
    )
    max_user_connections: int | None = field(
        default=None,
        metadata=option(
            "Sockets of one user or key open at once in one process. null: no other limit.",
            checks.COUNT,
        ),
    )
    max_unauthenticated: int = field(
        default=200,
        metadata=option(
            "Sockets open at once in one process that have not authenticated yet; more are "
            "answered 503. The oldest is closed if a socket with credentials needs its place.",
            checks.COUNT,
        ),
    )
    max_unauthenticated_per_address: int = field(
        default=20,
        metadata=option(
            "The same for the sockets of one address, or of one IPv6 /64; more are answered 429.",
            checks.COUNT,
        ),
    )
    connects_per_minute: int = field(
        default=6000,
        metadata=option(
            "Sockets one address, or one IPv6 /64, may open in a minute; more are answered 429.",
            checks.COUNT,
        ),
    )
    ping_interval: float = field(
        default=30.0, metadata=option("Seconds between heartbeats and pings.", checks.SECONDS)
    )
    auth_timeout: float = field(
        default=10.0,
        metadata=option("Seconds that a new socket has to authenticate.", checks.SECONDS),
    )
    max_message_size: int = field(
        default=65_536,
        metadata=option("Largest message a client may send, in bytes.", checks.COUNT),
    )
    max_buffer: int = field(
        default=1_048_576,
        metadata=option(
            "Bytes that may wait for a slow client before its socket is closed.", checks.COUNT
        ),
    )
    max_lag: float = field(
        default=30.0,
        metadata=option(
            "Seconds that a message may wait for a slow client before its socket is closed.",
            checks.SECONDS,
        ),
    )


@dataclass(frozen=True, slots=True)
class PortfolioConfig(Section):
    """The current portfolio."""

    path: ClassVar[str] = "portfolio"

    stale_after: float = field(
        default=300.0,
        metadata=option("Seconds after which a portfolio is marked stale.", checks.SECONDS),
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
    """The web page that shows the dashboard."""

    path: ClassVar[str] = "console"

    enabled: bool = field(
        default=True,
        metadata=option("Whether /console/ is served, if the extra `console` is installed."),
    )
