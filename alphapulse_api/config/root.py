"""The whole configuration, and where it comes from.

Every fault, in a file or in code, is a line of a ConfigError that names the key.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, ClassVar

from alphapulse_api.config import checks
from alphapulse_api.config.budgets import BudgetsConfig
from alphapulse_api.config.notify import NotifyConfig
from alphapulse_api.config.options import Condition, Section, option
from alphapulse_api.config.reading import build_section, read_yaml
from alphapulse_api.config.sections import (
    AuthConfig,
    ConsoleConfig,
    CorsConfig,
    DocsConfig,
    HttpConfig,
    LoggingConfig,
    PortfolioConfig,
    RateLimitConfig,
    WebSocketConfig,
)
from alphapulse_api.config.storage import CacheConfig, DatabaseConfig, EventsConfig
from alphapulse_api.domain.errors import ConfigError

__all__ = ["Config"]

ROOT_KEY = "dashboard_api"


def _url_of_events(events: EventsConfig, cache: CacheConfig) -> str | None:
    if events.type == "redis" and events.redis_url is None and cache.redis_url is None:
        return (
            "events.redis_url: is required when events.type is redis "
            "and there is no cache.redis_url to use"
        )
    return None


def _shared_secret(database: DatabaseConfig, auth: AuthConfig) -> str | None:
    if database.url.startswith("postgresql:") and auth.jwt_secret is None:
        return (
            "auth.jwt_secret: is required with PostgreSQL, whose processes must all sign "
            "with the same one; openssl rand -base64 48 makes a good one"
        )
    return None


@dataclass(frozen=True, slots=True)
class Config(Section):
    """The whole configuration. `Config()` needs no file: local, SQLite, everything in memory."""

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(("events", "cache"), _url_of_events),
        Condition(("database", "auth"), _shared_secret),
    )

    host: str = field(
        default="127.0.0.1",
        metadata=option("Address to listen on. `::`: all IPv6 and IPv4 addresses.", checks.host),
    )
    port: int = field(
        default=8080,
        metadata=option("Port to listen on. 0: any free one.", checks.between(0, 65_535)),
    )
    base_path: str = field(
        default="",
        metadata=option(
            "Path that every URL begins with, such as /dashboard. Empty: none.", checks.base_path
        ),
    )
    public_url: str = field(
        default="",
        metadata=option(
            "URL at which people reach this server, such as https://dashboard.example.com, for the "
            "links in messages; without the base_path. Empty: messages have no links.",
            checks.public_url,
        ),
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "IP addresses and networks of proxies whose forwarding headers are trusted, and "
            "`unix:` for proxies that connect through a Unix socket.",
            checks.proxy,
        ),
    )
    allowed_hosts: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "Host names that are served besides localhost and IP addresses, such as "
            "`dashboard.example.com` or `*.example.com`; `*`: any. Empty: only those two on a "
            "loopback host, any name on another.",
            checks.allowed_host,
        ),
    )
    max_clock_ahead: float = field(
        default=300.0,
        metadata=option(
            "Seconds by which the time of a record may be ahead of this server's clock.",
            checks.SECONDS_OR_ZERO,
        ),
    )
    timezone: str = field(
        default="",
        metadata=option(
            "IANA time zone of datetimes without a zone that an embedding host records, such as "
            "Europe/Berlin. Empty: they are refused.",
            checks.time_zone,
        ),
    )
    shutdown_timeout: float = field(
        default=5.0,
        metadata=option(
            "Seconds that requests and sockets have to end when the server stops.",
            checks.SECONDS,
        ),
    )
    http: HttpConfig = field(default_factory=HttpConfig)
    auth: AuthConfig = field(default_factory=AuthConfig)
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)
    cors: CorsConfig = field(default_factory=CorsConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    websocket: WebSocketConfig = field(default_factory=WebSocketConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    events: EventsConfig = field(default_factory=EventsConfig)
    portfolio: PortfolioConfig = field(default_factory=PortfolioConfig)
    budgets: BudgetsConfig = field(default_factory=BudgetsConfig)
    notify: NotifyConfig = field(default_factory=NotifyConfig)
    rules: tuple[dict[str, Any], ...] = field(
        default=(),
        metadata=option("Rules, with the fields of the API. They cannot be changed there."),
    )
    rules_files: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "YAML files with a list `rules` each, such as the ready-made conf/rules.yaml. Paths "
            "are relative to the working directory."
        ),
    )
    docs: DocsConfig = field(default_factory=DocsConfig)
    console: ConsoleConfig = field(default_factory=ConsoleConfig)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str] | None = None, *, env: Mapping[str, str] | None = None
    ) -> "Config":
        """Return the configuration in `path`, else in the file AP_CONFIG names, else the defaults.

        Other sections of the file belong to the application around this one and are ignored.

        Args:
            path: the path of a YAML file.
            env: used instead of os.environ for AP_CONFIG and `${NAME}`.

        Raises:
            ConfigError: if the file cannot be read or has no valid `dashboard_api` section, with a
                line for each fault that names the file and the key.
        """
        env = os.environ if env is None else env
        if path is None:
            path = env.get("AP_CONFIG") or None
        if path is None:
            return cls()
        data = read_yaml(path)
        try:
            if not isinstance(data, Mapping) or ROOT_KEY not in data:
                raise ConfigError(_no_root(data))
            return cls.from_mapping(data, env=env)
        except ConfigError as error:
            faults = (f"{os.fspath(path)}: {fault}" for fault in error.faults)
            raise ConfigError(*faults) from error

    @classmethod
    def from_mapping(
        cls, data: Mapping[str, Any], *, env: Mapping[str, str] | None = None
    ) -> "Config":
        """Return the configuration in a mapping: the `dashboard_api` section, or one holding it.

        Args:
            data: values as YAML gives them.
            env: used instead of os.environ for `${NAME}`.

        Raises:
            ConfigError: with a line for each fault, which names the key.
        """
        if isinstance(data, Mapping) and ROOT_KEY in data:
            data = data[ROOT_KEY]
        return build_section(cls, data, os.environ if env is None else env)

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.events.type == "redis" and self.events.redis_url is None:
            events = replace(self.events, redis_url=self.cache.redis_url)
            object.__setattr__(self, "events", events)


def _no_root(data: Any) -> str:
    if data is not None and not isinstance(data, Mapping):
        return f"must be a mapping with a {ROOT_KEY} section"
    nearest = get_close_matches(ROOT_KEY, [str(name) for name in data or ()], n=1)
    return f"has no {ROOT_KEY} section" + "".join(f" (but {name})" for name in nearest)
