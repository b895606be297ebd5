"""Metrics sent by Prometheus, the OpenTelemetry SDK and the client of InfluxDB.

Prometheus is Debian's package `prometheus`.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

from influxdb_client import InfluxDBClient, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.conftest import Serve
from tests.receivers import NOW_MS
from tests.waiting import until


async def test_prometheus_writes_what_it_scrapes(serve: Serve, tmp_path: Path) -> None:
    server = await serve()
    key = (await server.key("publish"))["X-API-Key"]
    host = server.url.removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(f"""\
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: api
  metrics_path: /healthz
  static_configs: [{{targets: ["{host}"]}}]
remote_write:
- url: {server.url}/api/v1/write
  authorization: {{credentials: {key}}}
  queue_config: {{batch_send_deadline: 100ms}}
""")
    process = await asyncio.create_subprocess_exec(
        "prometheus", f"--config.file={tmp_path}/prometheus.yml", "--enable-feature=agent",
        f"--storage.agent.path={tmp_path}/data", "--web.listen-address=127.0.0.1:0",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        reader = await server.key()
        points: list[Any] = []

        async def arrived() -> bool:
            points[:] = await server.json("/api/metrics/prometheus", reader, name="up")
            return bool(points)

        await until(arrived)
    finally:
        process.terminate()
        await process.wait()
    assert points[0]["labels"] == {"instance": host, "job": "api"}


async def test_the_opentelemetry_sdk_exports(serve: Serve) -> None:
    server = await serve()
    key = await server.key("publish")
    exporter = OTLPMetricExporter(endpoint=f"{server.url}/v1/metrics", headers=key)

    def export() -> None:
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader], resource=Resource({"service.name": "bot"}))
        meter = provider.get_meter("test")
        meter.create_counter("fills").add(3, {"symbol": "AAPL"})
        meter.create_histogram("latency").record(0.5)
        provider.shutdown()

    await asyncio.to_thread(export)
    points = await server.json("/api/metrics/otlp", await server.key())
    found = {point["name"]: (point["value"], point["labels"]) for point in points}
    assert found["fills"] == (3.0, {"service.name": "bot", "symbol": "AAPL"})
    assert found["latency_sum"] == (0.5, {"service.name": "bot"})


async def test_the_influxdb_client_writes(serve: Serve) -> None:
    server = await serve()
    key = (await server.key("publish"))["X-API-Key"]

    def write() -> None:
        with InfluxDBClient(server.url, token=key, org="o", enable_gzip=True) as client:
            record = {"measurement": "pnl", "tags": {"book": "main desk"},
                      "fields": {"value": 1.5, "note": "a \"b\""}, "time": NOW_MS}  # fmt: skip
            client.write_api(SYNCHRONOUS).write("bucket", record=record,
                                                write_precision=WritePrecision.MS)  # fmt: skip

    await asyncio.to_thread(write)
    (point,) = await server.json("/api/metrics/influx", await server.key())
    assert (point["name"], point["value"], point["labels"]) == ("pnl", 1.5, {"book": "main desk"})
