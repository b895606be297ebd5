"""Benchmarks: `python -m benchmarks <entry>`. Never part of a test run."""
