"""Metrics and usage in the protocols of other systems, at the paths that their clients use."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import receivers
from alphapulse_api.http.receivers.rpc_status import rpc_refusal
from alphapulse_api.http.route import Row

# fmt: off
ROWS: Final = (
    Row("POST", "/api/v1/write", PUBLISH, raw=receivers.prometheus_write, status=204,
        tag="metrics", protocol="prometheus"),
    Row("POST", "/v1/metrics", PUBLISH, raw=receivers.otlp_metrics, tag="metrics",
        protocol="otlp", refusal=rpc_refusal),
    Row("POST", "/v1/traces", PUBLISH, raw=receivers.otlp_traces, tag="usage",
        protocol="otlp", refusal=rpc_refusal),
    Row("POST", "/api/v2/write", PUBLISH, raw=receivers.influx_write, status=204,
        tag="metrics", protocol="influx"),
    Row("POST", "/write", PUBLISH, raw=receivers.influx_write, status=204, tag="metrics",
        protocol="influx"),
)
# fmt: on
