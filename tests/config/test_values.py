"""The values of a configuration: which ones fit, and how faults are reported."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from alphapulse_api.config import (
    AuthConfig,
    Config,
    CorsConfig,
    DatabaseConfig,
    RetentionConfig,
    WebSocketConfig,
)
from alphapulse_api.config.durations import format_duration, parse_duration
from alphapulse_api.domain.errors import ConfigError
from tests.configurations import fault, load, parse

DAY = 86_400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot: 1", "prot: unknown key; did you mean port?"),
        (
            "websocket: {max_conections: 1}",
            "websocket.max_conections: unknown key; did you mean websocket.max_connections?",
        ),
        (
            "database: {retention: {metric: 90d}}",
            "database.retention.metric: unknown key; did you mean database.retention.metrics?",
        ),
        ("jwt_secret: x", "jwt_secret: unknown key; did you mean auth.jwt_secret?"),
        (
            "logging: {zzz: 1}",
            "logging.zzz: unknown key; the keys here are level, format",
        ),
        ("1: 2", "1: unknown key; the keys here are host, port"),
        ('"a\\nb": 2', "a b: unknown key; the keys here are host, port"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(text: str, message: str) -> None:
    assert fault(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('port: "8080"', "port: must be an integer, not text ('8080')"),
        ("port: true", "port: must be an integer, not a boolean (true)"),
        ("port: 80.0", "port: must be an integer, not a number (80.0)"),
        ("port: null", "port: must be an integer, not null"),
        ("port: 65536", "port: must be at most 65535, not 65536"),
        ("port: -1", "port: must be at least 0, not -1"),
        ("port: 0x" + "f" * 5000, "port: must be at most 65535, not a number of 20000 bits"),
        ("host: 1", "host: must be text, not an integer (1)"),
        ('host: ""', "host: must not be empty"),
        ("host: 2026-01-01", "host: must be text, not a date"),
        ("base_path: dash", "base_path: must be empty, or a path such as /dashboard"),
        ("base_path: /", "base_path: must be empty, or a path"),
        ("base_path: /a/", "base_path: must be empty, or a path"),
        ("base_path: /a/../b", "base_path: must be empty, or a path"),
        ("trusted_proxies: 10.0.0.0/8", "trusted_proxies: must be a list of texts, not text"),
        ("trusted_proxies: [10.0.0.0/8, 7]", "trusted_proxies[1]: must be text, not an integer"),
        ("trusted_proxies: [10.0.0.1/8]", "trusted_proxies[0]: must be an IP address, a network"),
        ("allowed_hosts: [Example.com]", "allowed_hosts[0]: must be a host name in lower case"),
        ("allowed_hosts: ['example.com:80']", "allowed_hosts[0]: must be a host name"),
        ("allowed_hosts: ['a.*.com']", "allowed_hosts[0]: must be a host name"),
        ("rate_limit: {enabled: 1}", "rate_limit.enabled: must be true or false, not an integer"),
        (
            "rate_limit: {requests_per_minute: 0}",
            "rate_limit.requests_per_minute: must be at least",
        ),
        ("cache: {type: disk}", "cache.type: must be one of memory, redis, not text ('disk')"),
        ("cache: {default_ttl: -1}", "cache.default_ttl: must be at least 0, not -1"),
        ("cache: {default_ttl: .nan}", "cache.default_ttl: must be a finite number"),
        ("cache: {default_ttl: .inf}", "cache.default_ttl: must be a finite number"),
        ("cache: {default_ttl: 0x" + "f" * 500 + "}", "cache.default_ttl: must be a finite"),
        (
            "cache: {default_ttl: 1.0e+300}",
            "cache.default_ttl: must be at most 3153600000, not 1e+",
        ),
        ("cache: []", "cache: must be a mapping of keys, not a list"),
        (
            "logging: {level: INFO}",
            "logging.level: must be one of debug, info, warning, error, not",
        ),
        ("websocket: {max_connections: 0}", "websocket.max_connections: must be at least 1, not 0"),
        ("websocket: {ping_interval: 0}", "websocket.ping_interval: must be more than 0, not 0"),
        ("database: {url: mysql://x}", "database.url: must begin with sqlite:/// and a path, or"),
        ("events: {history_size: 0}", "events.history_size: must be at least 1, not 0"),
        ("auth: {token_expiry: 0}", "auth.token_expiry: must be at least 1, not 0"),
        ("auth: {jwt_secret: 12}", "auth.jwt_secret: must be text or null, not an integer"),
        ("auth: {jwt_secret: short}", "auth.jwt_secret: must be at least 32 bytes long"),
    ],
)
def test_a_value_that_does_not_fit_is_named(text: str, message: str) -> None:
    assert fault(text).startswith(message)


def test_values_are_checked_in_code_too() -> None:
    with pytest.raises(
        ConfigError, match=r"^websocket\.max_connections: must be at least 1, not 0$"
    ):
        WebSocketConfig(max_connections=0)
    with pytest.raises(ConfigError, match=r"^database\.retention\.trades: must be more than 0"):
        RetentionConfig(trades=0)
    with pytest.raises(ConfigError, match=r"^auth: must be AuthConfig, not a mapping$"):
        Config(auth={})  # type: ignore[arg-type]
    config = Config(port=0, database=DatabaseConfig(url="sqlite:////tmp/x.db"))
    assert config.port == 0
    assert dataclasses.replace(config, port=5).database.url == "sqlite:////tmp/x.db"


def test_the_length_of_a_jwt_secret_is_counted_in_bytes() -> None:
    assert AuthConfig(jwt_secret="é" * 16).jwt_secret == "é" * 16
    with pytest.raises(ConfigError):
        AuthConfig(jwt_secret="x" * 31)


@pytest.mark.parametrize(
    "origin",
    ["*", "http://localhost:3000", "https://a-b.example.com", "http://[::1]:80", "tauri://app"],
)
def test_an_origin_is_accepted(origin: str) -> None:
    assert CorsConfig(allowed_origins=(origin,)).allowed_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "localhost:3000",
        "http://localhost:3000/",
        "http://user@host",
        "http://Host",
        "http://host:0",
        "http://host:65536",
        "http://*.example.com",
        "null",
        "",
        "http://host\n",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError, match=r"^cors\.allowed_origins\[0\]: must be scheme://host"):
        CorsConfig(allowed_origins=(origin,))


def test_any_origin_with_credentials_is_refused() -> None:
    text = 'cors: {allowed_origins: ["*"], allow_credentials: true}'
    assert fault(text).startswith('cors.allowed_origins: "*" cannot be used while')


def test_redis_without_a_url_is_refused() -> None:
    assert fault("cache: {type: redis}").startswith("cache.redis_url: is required when")
    assert fault("events: {type: redis}").startswith("events.redis_url: is required when")
    assert fault("events: {type: redis, redis_url: '${X}'}").endswith("variable X is not set")


def test_events_use_the_url_of_the_cache_when_they_have_none() -> None:
    config = parse("cache: {redis_url: redis://a}\nevents: {type: redis}")
    assert config.events.redis_url == "redis://a"
    assert config.cache.type == "memory"
    own = parse("cache: {redis_url: redis://a}\nevents: {type: redis, redis_url: redis://b}")
    assert own.events.redis_url == "redis://b"
    in_memory = parse("cache: {redis_url: redis://a}")
    assert in_memory.events.redis_url is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("12h", 43_200), ("90d", 90 * DAY), ("2w", 14 * DAY)],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1y", "1 d", "1D", "nan", "1e3s", "١d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)


def test_one_retention_stands_for_all() -> None:
    kinds = [field.name for field in dataclasses.fields(RetentionConfig)]
    everywhere = RetentionConfig(**dict.fromkeys(kinds, 90.0 * DAY))
    assert parse("database: {retention: 90d}").database.retention == everywhere
    assert parse("database: {retention: '${X:-90}d'}").database.retention == everywhere
    assert parse("database: {retention: null}").database.retention == RetentionConfig()


@pytest.mark.parametrize("value", ["90", "1.5", "true", "[]", "soon"])
def test_a_retention_without_a_unit_is_refused(value: str) -> None:
    assert fault(f"database: {{retention: {value}}}").startswith("database.retention: must be")
    message = fault(f"database: {{retention: {{trades: {value}}}}}")
    assert message.startswith("database.retention.trades: must be")


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    text = """
dashboard_api:
  prot: 1
  port: 70000
  trusted_proxies: ["10.0.0.0/8", "nowhere", 7]
  auth: {jwt_secret: "${UNSET}", token_expiry: soon, leeway: -1}
  cors: {allowed_origins: ["*"], allow_credentials: true}
  cache: {type: redis}
  logging: {level: loud}
  database: {pool_size: 1, retention: {metrics: 90, trades: 1y}}
"""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    path = str(tmp_path / "dashboard.yaml")
    assert [fault.removeprefix(f"{path}: ") for fault in caught.value.faults] == [
        "prot: unknown key; did you mean port?",
        "port: must be at most 65535, not 70000",
        "trusted_proxies[1]: must be an IP address, a network such as 10.0.0.0/8, or unix:; "
        "'nowhere' does not appear to be an IPv4 or IPv6 network",
        "trusted_proxies[2]: must be text, not an integer (7)",
        "auth.token_expiry: must be an integer, not text ('soon')",
        "auth.leeway: must be at least 0, not -1",
        "auth.jwt_secret: environment variable UNSET is not set",
        'cors.allowed_origins: "*" cannot be used while cors.allow_credentials is true; '
        "list the origins",
        "cache.redis_url: is required when cache.type is redis",
        "logging.level: must be one of debug, info, warning, error, not text ('loud')",
        "database.pool_size: must be at least 2, not 1",
        "database.retention.metrics: must be a duration such as 90d or null, not an integer (90)",
        "database.retention.trades: must be a duration such as 90d, 12h, 30m, 2w or 45s",
    ]
    assert str(caught.value) == "\n".join(caught.value.faults)


def test_a_rule_on_a_faulty_value_adds_no_second_fault() -> None:
    assert fault("cache: {type: redis, redis_url: 7}") == (
        "cache.redis_url: must be text or null, not an integer"
    )


def test_rules_of_several_sections_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("{database: {url: 'postgresql://h/d'}, events: {type: redis}}")
    assert [text.partition(":")[0] for text in caught.value.faults] == [
        "events.redis_url",
        "auth.jwt_secret",
    ]


def test_faults_in_code_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        WebSocketConfig(max_connections=0, ping_interval=0)
    assert caught.value.faults == (
        "websocket.max_connections: must be at least 1, not 0",
        "websocket.ping_interval: must be more than 0, not 0",
    )
