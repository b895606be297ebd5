"""The section `notify`: what it takes, what it refuses, and that it shows no secret."""

import dataclasses

import pytest
import yaml

from alphapulse_api.config import Config, NotifyConfig, ReceiverConfig, RouteConfig, WebhookConfig
from alphapulse_api.domain.errors import ConfigError
from tests.configurations import parse

KEY = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = {"HOOK": "https://hooks.example.com/hunter2", "KEY": KEY, "PHONE": "ntfy://hunter2"}
WHOLE = """\
public_url: https://dashboard.example.com
notify:
  receivers:
    phone:
      urls: ["${PHONE}"]
      quiet_hours: {start: "22:00", end: "07:00", timezone: Europe/Berlin}
    desk: {webhook: {url: "${HOOK}", secret: "${KEY}"}}
  routes:
    - match: {min_severity: error, labels: ["team:risk"]}
      receivers: [phone]
      escalate_to: desk
      escalate_after: 15m
      continue: true
    - {receivers: [desk], group_by: [severity, "label:team"], repeat_interval: 0s}
"""


def test_receivers_and_routes_are_read() -> None:
    notify = parse(WHOLE, **SECRETS).notify
    assert notify.receivers["phone"].urls == ("ntfy://hunter2",)
    assert notify.receivers["desk"].webhook == WebhookConfig(SECRETS["HOOK"], KEY)
    first, second = notify.routes
    assert first.continues
    assert first.escalate_after == 900
    assert first.match.labels == ("team:risk",)
    assert second.group_by == ("severity", "label:team")
    assert second.repeat_interval == 0


def test_no_secret_is_shown() -> None:
    config = parse(WHOLE, **SECRETS)
    shown = yaml.safe_dump(config.describe())
    assert shown.count("********") == 3
    for text in (shown, repr(config)):
        assert "hunter2" not in text
        assert KEY not in text


def test_what_is_shown_reads_back_except_for_secrets() -> None:
    config = Config(notify=NotifyConfig(routes=(RouteConfig(continues=True),)))
    assert Config.from_mapping(config.describe(), env={}) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "notify: {receivers: {a: {urls: [hunter2]}}}",
            "notify.receivers.a.urls[0]: must be a URL that apprise knows, such as ntfy://topic",
        ),
        (
            "notify: {receivers: {a: {webhook: {url: 'ftp://hunter2', secret: hunter2}}}}",
            "notify.receivers.a.webhook.url: must begin with http:// or https:// and name a host; "
            "notify.receivers.a.webhook.secret: must be whsec_ and the base64 of 24 to 64 random "
            "bytes; openssl rand -base64 32 makes them",
        ),
        (
            "notify: {receivers: {a: {webhook: {url: 'http://hunter2'}}}}",
            "notify.receivers.a.webhook.secret: is required, to sign messages with",
        ),
        (
            "notify: {receivers: {a: {urls: ['ntfy://x', '${UNSET}']}}}",
            "notify.receivers.a.urls: environment variable UNSET is not set",
        ),
        ("notify: {receivers: {a: {}}}", "notify.receivers.a: needs either urls or a webhook"),
        (
            "notify: {receivers: {a b: {urls: ['ntfy://x']}}}",
            "notify.receivers: a name must be made of the letters a to z, digits, - and _, "
            "not text ('a b')",
        ),
        (
            "notify: {receivers: {a: {urls: ['ntfy://x'], "
            "quiet_hours: {start: '22:00', end: '7', timezone: Mars}}}}",
            "notify.receivers.a.quiet_hours.end: must be a time of day such as \"22:00\", in "
            "quotes, not '7'; notify.receivers.a.quiet_hours.timezone: must be an IANA time zone "
            "such as Europe/Berlin, or empty, not 'Mars'",
        ),
        (
            "notify: {receivers: {a: {urls: ['ntfy://x'], quiet_hours: {start: '22:00'}}}}",
            "notify.receivers.a.quiet_hours: needs both start and end",
        ),
        (
            "notify: {receivers: {a: {urls: ['ntfy://x']}}, routes: [{receivers: [a, b]}]}",
            "notify.routes[0].receivers[1]: there is no receiver 'b'; there are a",
        ),
        (
            "notify: {receivers: {a: {urls: ['ntfy://x']}}, "
            "routes: [{receivers: [a]}, {escalate_to: b, escalate_after: 1m}]}",
            "notify.routes[1].escalate_to: there is no receiver 'b'; there are a",
        ),
        (
            "notify: {receivers: {a: {urls: ['ntfy://x']}}, routes: [{escalate_to: a}]}",
            "notify.routes[0].escalate_after: is required with escalate_to",
        ),
        (
            "notify: {routes: [{match: {severity: [high], labels: [team]}, group_by: [title]}]}",
            "notify.routes[0].match.severity[0]: must be one of info, warning, error, critical, "
            "not 'high'; notify.routes[0].match.labels[0]: must be name:value, not 'team'; "
            "notify.routes[0].group_by[0]: must be one of severity, source, rule_id, book, or "
            "label:name, not 'title'",
        ),
        (
            "notify: {routes: [{receiverz: []}]}",
            "notify.routes[0].receiverz: unknown key; did you mean notify.routes[].receivers?",
        ),
        ("notify: {routes: {}}", "notify.routes: must be a list of mappings, not a mapping"),
        (
            "notify: {receivers: []}",
            "notify.receivers: must be a mapping of names to mappings, not a list",
        ),
        ("notify: {repeat_interval: 500ms}", "notify.repeat_interval: must be a duration"),
        ("notify: {repeat_interval: 0.5s}", "notify.repeat_interval: must be at least 1, not 0.5"),
        ("public_url: dashboard.example.com", "public_url: must be empty, or a URL such as"),
    ],
)  # fmt: skip
def test_a_fault_names_the_key_and_no_secret(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    said = "; ".join(caught.value.faults)
    assert said.startswith(message)
    assert "hunter2" not in said


def test_faults_in_code_name_the_key() -> None:
    with pytest.raises(ConfigError, match=r"notify\.receivers\.NAME: needs either"):
        ReceiverConfig()
    with pytest.raises(ConfigError, match=r"notify\.routes\[0\]\.receivers\[0\]: there is no"):
        NotifyConfig(routes=(RouteConfig(receivers=("a",)),))


def test_secrets_are_kept_out_of_repr() -> None:
    sections = (WebhookConfig, ReceiverConfig)
    masked = [
        field
        for section in sections
        for field in dataclasses.fields(section)
        if (option := field.metadata.get("option")) and option.mask
    ]
    assert len(masked) == 3
    assert not any(field.repr for field in masked)
