"""Configurations from text, and what is said of those that cannot be."""

from pathlib import Path

import pytest
import yaml

from alphapulse_api.config import Config
from alphapulse_api.domain.errors import ConfigError

SECRET = "correct-horse-battery-staple-9876543210"

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
