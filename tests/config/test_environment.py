"""References to the environment in a configuration."""

import pytest

from alphapulse_api.config import Config, CorsConfig, RetentionConfig
from alphapulse_api.config.environment import MissingVariable, expand
from tests.configurations import fault, parse

DAY = 86_400


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
