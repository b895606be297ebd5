"""The configuration: files, keys, values."""

import dataclasses
import re
from pathlib import Path

import pytest

from alphapulse_api.config import (
    AuthConfig,
    CacheConfig,
    Config,
    CorsConfig,
)
from alphapulse_api.domain.errors import ConfigError
from tests.configurations import DESIGN, DESIGN_ENV, SECRET, file_fault, load

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


# Types and ranges


# Redis


# Durations


# Several faults
