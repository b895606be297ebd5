"""Adapters that connect a trading engine or telemetry library to a feed in one line.

Import the module you need. The rest of the package imports none of them, so the library that an
adapter is for is only needed by that adapter.
"""
