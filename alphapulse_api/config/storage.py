"""The sections of the configuration on where data is kept, and for how long."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from alphapulse_api.config import checks
from alphapulse_api.config.masks import hide_password
from alphapulse_api.config.options import Condition, Section, option
from alphapulse_api.config.values import Option


@dataclass(frozen=True, slots=True)
class SharedSection(Section):
    """A section of data that is kept in the process, or in Redis for several processes."""

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


def _kept(what: str) -> dict[str, Option]:
    text = f"How long {what} are kept. null: forever."
    return option(text, checks.SECONDS, duration=True)


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
    signals: float | None = field(default=None, metadata=_kept("agents' signals of no decision"))
    system: float | None = field(default=None, metadata=_kept("system samples"))
    decisions: float | None = field(
        default=None, metadata=_kept("decisions, with their signals, texts and usage")
    )
    audit: float | None = field(default=None, metadata=_kept("entries of the audit log"))
    commands: float | None = field(
        default=None, metadata=_kept("commands to agents that have ended")
    )
    notifications: float | None = field(
        default=None, metadata=_kept("notifications that were sent, failed or silenced")
    )


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
            "The most connections to PostgreSQL of one process; one of them writes.",
            checks.between(2, 1000),
        ),
    )
    statement_timeout: float = field(
        default=10.0,
        metadata=option(
            "Seconds after which a statement is cancelled; on SQLite, only one that reads.",
            checks.between(0.001, 86_400),
        ),
    )
    max_series: int = field(
        default=1_000_000,
        metadata=option(
            "Series of metrics that may exist. Points that would create more are refused.",
            checks.COUNT,
        ),
    )
    max_series_per_key: int = field(
        default=200_000,
        metadata=option(
            "Series of metrics that one API key may make; hosts and users are not bounded.",
            checks.COUNT,
        ),
    )
    pgbouncer: bool = field(
        default=False,
        metadata=option("Whether a PgBouncer in transaction mode is in front of PostgreSQL."),
    )
    network_file: bool = field(
        default=False,
        metadata=option(
            "Whether an SQLite file may lie on a network file system (NFS, CIFS, FUSE, 9p), whose "
            "locks often do not hold."
        ),
    )
    retention: RetentionConfig = field(default_factory=RetentionConfig)


@dataclass(frozen=True, slots=True)
class EventsConfig(SharedSection):
    """The event log, from which sockets get their events."""

    path: ClassVar[str] = "events"

    history_size: int = field(
        default=10_000,
        metadata=option("Events that a channel keeps for clients that reconnect.", checks.COUNT),
    )
    history_ttl: float = field(
        default=3600.0,
        metadata=option("Seconds for which a channel keeps them.", checks.SECONDS_OR_ZERO),
    )
    max_bytes: int = field(
        default=64 * 2**20,
        metadata=option(
            "Bytes of the events that are kept (64 MiB): half for metrics and portfolio, half for "
            "trades and alerts.",
            checks.COUNT,
        ),
    )


def _url_of_redis(kind: str, url: str | None) -> str | None:
    if kind == "redis" and url is None:
        return "cache.redis_url: is required when cache.type is redis"
    return None


@dataclass(frozen=True, slots=True)
class CacheConfig(SharedSection):
    """Where the answers to GET requests are kept, and how long."""

    path: ClassVar[str] = "cache"
    conditions: ClassVar[tuple[Condition, ...]] = (Condition(("type", "redis_url"), _url_of_redis),)

    default_ttl: float = field(
        default=300.0,
        metadata=option(
            "Longest age of a cached answer, in seconds. 0: none.", checks.SECONDS_OR_ZERO
        ),
    )
    history_ttl: float = field(
        default=3600.0,
        metadata=option(
            "The same for a range of time that ended more than 5 minutes ago.",
            checks.SECONDS_OR_ZERO,
        ),
    )
    max_staleness: float = field(
        default=0.0,
        metadata=option(
            "Age in seconds up to which an outdated answer is sent while the new one is computed, "
            "marked `X-Cache: STALE`. 0: never; every answer contains all earlier writes.",
            checks.SECONDS_OR_ZERO,
        ),
    )
    max_bytes: int = field(
        default=64 * 2**20,
        metadata=option("Room for the memory cache, in bytes (64 MiB).", checks.COUNT),
    )
