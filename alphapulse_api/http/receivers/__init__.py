"""Metrics in the protocols of other systems: Prometheus remote write, OTLP, InfluxDB lines."""
