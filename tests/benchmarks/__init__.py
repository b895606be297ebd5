"""Benchmarks: `python -m tests.benchmarks <entry>`. Never part of a test run."""
