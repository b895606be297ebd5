"""The command line: `python -m alphapulse_api.client tail trades alerts --symbol AAPL`."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import click

from alphapulse_api.client import values
from alphapulse_api.client.client import CHANNELS, DashboardClient
from alphapulse_api.client.conversation import Event, StreamGap
from alphapulse_api.client.errors import DashboardClientError

PASSWORD_VARIABLE: Final = "AP_PASSWORD"  # noqa: S105
# An event is one line, without control characters that a terminal would obey.
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
# Option -> the channel and filter it stands for.
FILTERS: Final = {
    "symbol": ("trades", "symbols"),
    "strategy": ("trades", "strategies"),
    "severity": ("alerts", "severities"),
    "source": ("alerts", "sources"),
    "metric_type": ("metrics", "metric_types"),
    "name": ("metrics", "names"),
}
BOOKED: Final = ("trades", "portfolio", "alerts")  # the channels with the filter by book


@click.group()
def main() -> None:
    """Watch a dashboard from a terminal."""


@main.command()
@click.argument("channels", nargs=-1, type=click.Choice(CHANNELS))
@click.option("--url", default="http://127.0.0.1:8080", show_default=True)
@click.option(
    "--api-key-env",
    default="AP_API_KEY",
    show_default=True,
    help="The environment variable that holds the API key.",
)
@click.option("--username", help=f"Log in instead; the password is in {PASSWORD_VARIABLE}.")
@click.option(
    "--book",
    multiple=True,
    help="Only trades, alerts and the portfolio of this book. Repeatable; * for every book.",
)
@click.option(
    "--symbol",
    multiple=True,
    help="Only trades of this symbol. Repeatable.",
)
@click.option("--strategy", multiple=True, help="Only trades of this strategy.")
@click.option("--severity", multiple=True, help="Only alerts of this severity.")
@click.option("--source", multiple=True, help="Only alerts from this source.")
@click.option("--metric-type", multiple=True, help="Only metrics of this type.")
@click.option("--name", multiple=True, help="Only metrics of this name.")
@click.option("--snapshot", is_flag=True, help="Print the current state first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--count", type=click.IntRange(1), help="Exit after this many events.")
def tail(
    channels: tuple[str, ...],
    url: str,
    api_key_env: str,
    username: str | None,
    book: tuple[str, ...],
    snapshot: bool,
    as_json: bool,
    count: int | None,
    **wanted: tuple[str, ...],
) -> None:
    """Print the events of CHANNELS (default: all) as they happen."""
    _escape_what_cannot_be_shown()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    secret = _secret(username, api_key_env)
    chosen = channels or CHANNELS
    filters = _filters(chosen, wanted, book)
    line: Callable[[Event | StreamGap], str | bytes] = _raw if as_json else _line

    async def follow() -> None:
        left = count
        async with (
            DashboardClient(url, **secret) as client,
            client.stream(*chosen, filters=filters, snapshot=snapshot) as stream,
        ):
            async for item in stream:
                click.echo(line(item))
                if left is not None and isinstance(item, Event):
                    left -= 1
                    if not left:
                        return

    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(follow())
        except (DashboardClientError, ValueError) as error:
            raise click.ClickException(str(error)) from error


def _escape_what_cannot_be_shown() -> None:
    """Print escapes such as `\\u4ea4` for characters that the terminal cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _secret(username: str | None, api_key_env: str) -> dict[str, Any]:
    """Read the secret from the environment: command lines are visible to all users of a machine."""
    variable = PASSWORD_VARIABLE if username else api_key_env
    value = os.environ.get(variable)
    if not value:
        raise click.UsageError(f"set the environment variable {variable}")
    return {"username": username, "password": value} if username else {"api_key": value}


def _filters(
    channels: tuple[str, ...], wanted: Mapping[str, tuple[str, ...]], books: tuple[str, ...]
) -> dict[str, dict[str, tuple[str, ...]]]:
    filters: dict[str, dict[str, tuple[str, ...]]] = {}
    for option, given in wanted.items():
        channel, name = FILTERS[option]
        if given and channel not in channels:
            raise click.UsageError(
                f"--{option.replace('_', '-')} filters {channel}, which is not among the CHANNELS"
            )
        if given:
            filters.setdefault(channel, {})[name] = given
    booked = [channel for channel in BOOKED if channel in channels]
    if books and not booked:
        raise click.UsageError(
            f"--book filters {', '.join(BOOKED)}, none of which is among the CHANNELS"
        )
    for channel in booked if books else ():
        filters.setdefault(channel, {})["books"] = books
    return filters


def _raw(item: Event | StreamGap) -> bytes:
    """Encode as JSON, which is always UTF-8 (RFC 8259, section 8.1)."""
    if isinstance(item, StreamGap):
        content: dict[str, Any] = {"type": "gap", "channel": item.channel, "cursor": item.cursor}
    else:
        content = {"type": item.type, "channel": item.channel, "cursor": item.cursor}
        content |= {"snapshot": True} if item.snapshot else {}
        content |= {"skipped": item.skipped} if item.skipped else {}
        content["data"] = item.data
    return values.dumps(content)


def _line(item: Event | StreamGap) -> str:
    if isinstance(item, StreamGap):
        return f"{'':<15}  {item.channel:<9}  -- events may be missing here --"
    at, text = _LINES[item.type](item.data)
    return f"{at.astimezone():%H:%M:%S.%f}  {item.channel:<9}  {text.translate(_CONTROLS)}"


def _metric(data: Mapping[str, Any]) -> tuple[datetime, str]:
    labels = ",".join(f"{key}={value}" for key, value in data["labels"].items())
    series = f"{data['metric_type']}.{data['name']}" + (f"{{{labels}}}" if labels else "")
    return data["timestamp"], f"{series} = {data['value']}"


def _alert(data: Mapping[str, Any]) -> tuple[datetime, str]:
    at = data["resolved_at"] or data["acknowledged_at"] or data["created_at"]
    message = f": {data['message']}" if data["message"] else ""
    return at, f"[{data['severity']}] {data['title']}{message} ({data['status']})"


def _trade(data: Mapping[str, Any]) -> tuple[datetime, str]:
    strategy = f" ({data['strategy']})" if data["strategy"] else ""
    text = f"{data['side']} {data['quantity']:f} {data['symbol']} at {data['price']:f}"
    return data["executed_at"], f"{text}, {data['status']}{strategy}"


def _portfolio(data: Mapping[str, Any]) -> tuple[datetime, str]:
    worth = f"{data['total_value']:f} {data['currency']}"
    return data["as_of"], f"{worth}, {data['cash']:f} in cash, {len(data['positions'])} positions"


_LINES: Final[Mapping[str, Callable[[Mapping[str, Any]], tuple[datetime, str]]]] = {
    "metric": _metric,
    "alert": _alert,
    "trade": _trade,
    "portfolio": _portfolio,
}
