"""The configuration: files, environment references, checks, masking, and its documentation."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from alphapulse_api.config import (
    AuthConfig,
    CacheConfig,
    Config,
    CorsConfig,
    DatabaseConfig,
    EventsConfig,
    RetentionConfig,
    WebSocketConfig,
)
from alphapulse_api.config.durations import format_duration, parse_duration
from alphapulse_api.config.environment import MissingVariable, expand
from alphapulse_api.config.masks import hide_password
from alphapulse_api.config.options import expected, walk
from alphapulse_api.errors import ConfigError

ROOT = Path(__file__).parents[2]
SECRET = "correct-horse-battery-staple-9876543210"
DAY = 86_400

DESIGN = """\
dashboard_api:
  host: "0.0.0.0"
  port: 8080
  auth: {jwt_secret: "${AP_JWT_SECRET}", token_expiry: 3600, api_keys_enabled: true}
  rate_limit: {enabled: true, requests_per_minute: 120}
  cors: {allowed_origins: ["http://localhost:3000", "https://dashboard.example.com"], \
allow_credentials: true}
  cache: {type: "redis", redis_url: "${AP_REDIS_URL}", default_ttl: 300}
  logging: {level: "info", format: "json"}
  websocket: {max_connections: 1000, ping_interval: 30}
"""
DESIGN_ENV = {"AP_JWT_SECRET": SECRET, "AP_REDIS_URL": "redis://:hunter2@cache:6379/0"}


def load(tmp_path: Path, text: str | bytes, env: dict[str, str] | None = None) -> Config:
    path = tmp_path / "dashboard.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Config.load(path, env=env or {})


def parse(text: str, **env: str) -> Config:
    """The configuration in the YAML of a `dashboard_api` section."""
    return Config.from_mapping(yaml.safe_load(text), env=env)


def fault(text: str, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, **env)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def file_fault(tmp_path: Path, text: str | bytes, env: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, env)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(str(tmp_path / "dashboard.yaml"))


# Where it comes from


def test_the_defaults_need_no_file() -> None:
    config = Config.load(env={})
    assert config == Config()
    assert (config.host, config.port, config.database.url) == (
        "127.0.0.1",
        8080,
        "sqlite:///alphapulse.db",
    )
    assert (config.cache.type, config.events.type) == ("memory", "memory")


def test_the_file_of_the_design_loads_unchanged(tmp_path: Path) -> None:
    assert load(tmp_path, DESIGN, DESIGN_ENV) == Config(
        host="0.0.0.0",
        auth=AuthConfig(jwt_secret=SECRET),
        cors=CorsConfig(
            allowed_origins=("http://localhost:3000", "https://dashboard.example.com"),
            allow_credentials=True,
        ),
        cache=CacheConfig(type="redis", redis_url="redis://:hunter2@cache:6379/0"),
        logging=dataclasses.replace(Config().logging, format="json"),
    )


@pytest.mark.parametrize("name", DESIGN_ENV)
def test_the_file_of_the_design_names_the_variable_it_misses(tmp_path: Path, name: str) -> None:
    env = {key: value for key, value in DESIGN_ENV.items() if key != name}
    key = {"AP_JWT_SECRET": "auth.jwt_secret", "AP_REDIS_URL": "cache.redis_url"}[name]
    assert file_fault(tmp_path, DESIGN, env) == f": {key}: environment variable {name} is not set"


def test_a_given_path_goes_before_ap_config(tmp_path: Path) -> None:
    given, named = tmp_path / "given.yaml", tmp_path / "named.yaml"
    given.write_text("dashboard_api: {port: 1}")
    named.write_text("dashboard_api: {port: 2}")
    env = {"AP_CONFIG": str(named)}
    assert Config.load(given, env=env).port == 1
    assert Config.load(str(given), env=env).port == 1
    assert Config.load(env=env).port == 2
    assert Config.load(env={"AP_CONFIG": ""}).port == 8080


def test_other_sections_of_the_file_are_not_looked_at(tmp_path: Path) -> None:
    text = "trading: {key: '${UNSET}'}\ndashboard_api: {port: 9000}\n"
    assert load(tmp_path, text).port == 9000


@pytest.mark.parametrize("text", ["dashboard_api:\n", "dashboard_api: {cors: , cache: null}"])
def test_a_section_with_nothing_in_it_is_the_default(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Config()


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbfdashboard_api: {port: 1}").port == 1


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    text = "x: &a {port: 1, host: a}\ndashboard_api: {<<: *a, port: 2}"
    config = load(tmp_path, text)
    assert (config.host, config.port) == ("a", 2)


def test_a_mapping_may_be_the_section_or_hold_it() -> None:
    assert Config.from_mapping({"port": 1}) == Config.from_mapping({"dashboard_api": {"port": 1}})


# Files that cannot be read


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file$"):
        Config.load(tmp_path / "nowhere.yaml", env={})


def test_a_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}: cannot be read: Is a directory")):
        Config.load(tmp_path, env={})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"dashboard_api: {host: \xff}", ": is not UTF-8 text (at byte 22)"),
        ("dashboard_api: \x00", ": has a character that YAML does not allow"),
        ("[" * 5000, ": is nested too deeply"),
        ("a: 1\ndashboard_api: {\n", ", line 3: expected the node content, but found"),
        ("dashboard_api:\n\tport: 1", ", line 2: found character '\\t' that cannot start any"),
        (
            "dashboard_api:\n  port: 1\n  host: a\n  port: 1",
            ", line 4: the key port is given twice",
        ),
        ("a: {b: 1, b: 2}\ndashboard_api:", ", line 1: the key b is given twice"),
        ("dashboard_api:\n  host: 2026-13-45", ", line 2: a value that YAML takes for a number or"),
        ("dashboard_api: !!bool maybe", ", line 1: a value that YAML takes for a number or"),
        ("--- 1\n--- 2", ", line 2: but found another document"),
        ("", ": has no dashboard_api section"),
        ("dashboard-api: {}", ": has no dashboard_api section (but dashboard-api)"),
        ("port: 1", ": has no dashboard_api section"),
        ("- 1", ": must be a mapping with a dashboard_api section"),
        ("dashboard_api: [1]", ": dashboard_api: must be a mapping of keys, not a list"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert file_fault(tmp_path, text).startswith(message)


@pytest.mark.parametrize("text", ["*hunter2", "!hunter2", "!hunter!2 x", "&hunter2 &hunter2 x"])
def test_a_secret_that_is_bad_yaml_is_not_repeated(tmp_path: Path, text: str) -> None:
    message = file_fault(tmp_path, f"dashboard_api:\n  auth:\n    jwt_secret: {text}")
    assert message.startswith(", line 3: ")
    assert "hunter" not in message


# Unknown keys


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


# Types and ranges


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
        ("trusted_proxies: [10.0.0.1/8]", "trusted_proxies[0]: must be an IP address or network"),
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


# References to the environment


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${A}", "one"),
        ("<${A}-${B:-two}>", "<one-two>"),
        ("${B:-}", ""),
        ("${EMPTY:-full}", "full"),
        ("${A:-two}", "one"),
        ("$${A} $A $$", "${A} $A $$"),
        ("$$${A}", "$${A}"),
        ("${REF}", "${A}"),
        ("${B:-a:-b $ {c}", "a:-b $ {c"),
        ("${LINES}", "a\nb"),
    ],
)
def test_references_are_expanded(text: str, expanded: str) -> None:
    env = {"A": "one", "EMPTY": "", "REF": "${A}", "LINES": "a\nb"}
    assert expand(text, env) == expanded


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A-b}", "${A", "${A:-${B}}", "${A B}"])
def test_a_malformed_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        expand(text, {"A": "1", "B": "2"})


@pytest.mark.parametrize("env", [{}, {"A": ""}])
def test_a_variable_that_is_unset_or_empty_is_missing(env: dict[str, str]) -> None:
    with pytest.raises(MissingVariable):
        expand("x${A}", env)


def test_a_variable_becomes_the_type_of_its_key() -> None:
    config = parse(
        """
        port: ${PORT}
        trusted_proxies: ${PROXIES}
        rate_limit: {enabled: "${ENABLED}"}
        auth: {jwt_secret: "${SECRET:-}"}
        cache: {default_ttl: "${TTL:-1.5}"}
        database: {retention: {trades: "${KEEP}", alerts: "${FOREVER:-}"}}
        """,
        PORT=" 81 ",
        PROXIES="10.0.0.0/8, ::1,",
        ENABLED="Off",
        KEEP="2d",
    )
    assert config.port == 81
    assert config.trusted_proxies == ("10.0.0.0/8", "::1")
    assert config.rate_limit.enabled is False
    assert config.auth.jwt_secret is None
    assert config.cache.default_ttl == 1.5
    assert config.database.retention == RetentionConfig(trades=2 * DAY)


@pytest.mark.parametrize("word", ["true", "YES", "on", "1"])
def test_words_for_true(word: str) -> None:
    assert parse(
        "cors: {allow_credentials: '${X}', allowed_origins: [http://a]}", X=word
    ) == Config(cors=CorsConfig(allowed_origins=("http://a",), allow_credentials=True))


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        ("port: ${X}", "http", "port: must be an integer, not text ('http')"),
        ("port: ${X}", "8" * 5000, "port: must be an integer, not text ('888"),
        ("port: 8${X}", "0", "port: must be an integer, not text ('80')"),
        ("cache: {default_ttl: '${X}'}", "nan", "cache.default_ttl: must be a finite number"),
        ("rate_limit: {enabled: '${X}'}", "maybe", "rate_limit.enabled: must be true or false"),
        ("host: ${X", "a", "host: has a ${ that is neither"),
        ("host: ${X}", "\udcff", "host: must be valid Unicode text"),
        ("database: {retention: '${X}'}", "90", "database.retention: must be a duration such as"),
    ],
)
def test_a_variable_that_does_not_fit_is_named(text: str, value: str, message: str) -> None:
    assert fault(text, X=value).startswith(message)


def test_a_missing_variable_names_key_and_variable() -> None:
    assert fault("host: ${AP_HOST}") == "host: environment variable AP_HOST is not set"
    assert fault("cors: {allowed_origins: ['http://${H}']}") == (
        "cors.allowed_origins: environment variable H is not set"
    )
    assert fault("database: {retention: '${KEEP}'}") == (
        "database.retention: environment variable KEEP is not set"
    )


@pytest.mark.parametrize(
    "text",
    [
        "cache: {type: memory, redis_url: '${X}'}",
        "cache: {redis_url: 'redis://:${X}@host'}",
        "events: {redis_url: '${X}'}",
        "cors: {allow_credentials: '${X}'}",
    ],
)
def test_a_variable_for_a_part_that_is_off_may_be_missing(text: str) -> None:
    assert parse(text) == Config()


def test_a_variable_for_a_rate_that_is_off_may_be_missing() -> None:
    rate = parse("rate_limit: {enabled: false, requests_per_minute: '${X}'}").rate_limit
    assert rate.requests_per_minute == 120
    assert "RATE" in fault("rate_limit: {requests_per_minute: '${RATE}'}")


# Redis


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


# Durations


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


# What may be shown


def test_describe_masks_secrets_and_keeps_the_rest(tmp_path: Path) -> None:
    described = load(tmp_path, DESIGN, DESIGN_ENV).describe()
    assert described["auth"]["jwt_secret"] == "********"
    assert described["cache"]["redis_url"] == "redis://:********@cache:6379/0"
    assert described["cors"]["allowed_origins"][0] == "http://localhost:3000"
    assert "hunter2" not in str(described)


def test_describe_reads_back_as_the_same_configuration() -> None:
    config = Config(
        port=0,
        trusted_proxies=("::1",),
        database=DatabaseConfig(retention=RetentionConfig(trades=90 * DAY, alerts=0.5)),
        events=EventsConfig(history_ttl=1.5),
    )
    text = yaml.safe_dump(config.describe())
    assert Config.from_mapping(yaml.safe_load(text), env={}) == config
    assert "trades: 90d" in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("sqlite:////var/lib/a@b.db", "sqlite:////var/lib/a@b.db"),
        ("postgresql://ann@db/x", "postgresql://ann@db/x"),
        ("postgresql://ann:pw@db:5432/x?a=b", "postgresql://ann:********@db:5432/x?a=b"),
        ("postgresql://ann:p/#@w@db/x", "postgresql://ann:********@db/x"),
        ("postgresql://db/x?user=a&password=p@w", "postgresql://db/x?user=a&password=********"),
        ("postgresql://db:1/x?sslPassword=p", "postgresql://db:1/x?sslPassword=********"),
    ],
)
def test_the_password_of_a_url_is_masked(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_repr_holds_no_secret(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        DESIGN + '  database: {url: "postgresql://ann:hunter3@db/x"}\n'
        '  events: {type: redis, redis_url: "redis://:hunter4@db"}\n',
        DESIGN_ENV,
    )
    assert SECRET not in repr(config)
    assert "hunter" not in repr(config)


@pytest.mark.parametrize(
    "text",
    [
        "auth: {jwt_secret: hunter2}",
        "auth: {jwt_secret: [hunter2]}",
        "auth: hunter2",
        "cache: {redis_url: 'hunter2'}",
        "cache: {redis_url: '${hunter2'}",
        "database: {url: 'mysql://a:hunter2@b'}",
    ],
)
def test_an_error_never_repeats_a_secret(text: str) -> None:
    assert "hunter2" not in fault(text).replace("${hunter2", "${")


# The documentation


def plain(value: Any) -> str:
    """A default as the table of keys writes it."""
    if value == "":
        return '""'
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    value = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(value, default_flow_style=True).partition("\n")[0]


def leaves(mapping: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in mapping.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_the_table_of_keys_is_what_the_code_has() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| `[a-z_.]+` \|", line)]
    assert rows == [
        f"| `{key.path}` | {expected(key.hint, duration=key.option.duration)} "
        f"| `{plain(key.default)}` | {key.option.help} |"
        for key in walk(Config)
    ]


def test_every_key_says_what_it_means() -> None:
    assert all(key.option.help.endswith(".") for key in walk(Config))


def test_secrets_are_kept_out_of_repr() -> None:
    sections = [Config, *(type(getattr(Config(), f.name)) for f in dataclasses.fields(Config))]
    fields = [f for s in sections if dataclasses.is_dataclass(s) for f in dataclasses.fields(s)]
    masked = [f for f in fields if (option := f.metadata.get("option")) and option.mask]
    assert len(masked) == 4
    assert not any(field.repr for field in masked)


def test_the_sample_file_has_every_key_at_its_default() -> None:
    path = ROOT / "conf/dashboard.yaml"
    assert Config.load(path, env={}) == Config()
    section = yaml.safe_load(path.read_text())["dashboard_api"]
    assert list(leaves(section)) == [key.path for key in walk(Config)]
