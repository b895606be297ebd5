"""What a user reads who imports an adapter and lacks its library."""

from __future__ import annotations

from alphapulse_api.adapters.missing import missing


def test_a_missing_library_is_one_line_with_the_command() -> None:
    error = missing("influxdb-client", ModuleNotFoundError(name="influxdb_client"))
    assert str(error) == (
        "alphapulse_api.adapters.influxdb_client needs the package influxdb-client, which is not "
        "installed: pip install influxdb-client"
    )


def test_a_library_that_is_there_but_broken_keeps_its_own_error() -> None:
    broken = ModuleNotFoundError("No module named 'x'", name="x")
    assert missing("backtrader", broken) is broken
