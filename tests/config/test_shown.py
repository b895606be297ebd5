"""What a configuration shows of itself: masked, described, documented."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from alphapulse_api.config import Config, DatabaseConfig, EventsConfig, RetentionConfig
from alphapulse_api.config.masks import hide_password
from alphapulse_api.config.options import walk
from alphapulse_api.config.values import expected
from tests.configurations import DESIGN, DESIGN_ENV, SECRET, fault, load

ROOT = Path(__file__).parents[2]
DAY = 86_400


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
        if value and isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_the_table_of_keys_is_what_the_code_has() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| `[][a-zA-Z_.]+` \|", line)]
    assert rows == [
        f"| `{key.path}` | {expected(key.hint, duration=key.option.duration)} "
        f"| `{plain(key.default)}` | {key.option.help} |"
        for key in walk(Config, items=True)
    ]


def test_every_key_says_what_it_means() -> None:
    assert all(key.option.help.endswith(".") for key in walk(Config, items=True))


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
