"""``python -m alphapulse_api.demo.watch URL --api-key KEY``: print every message of the socket.

The shortest client that works; it neither reconnects nor resumes.
"""

import asyncio
from contextlib import suppress

import aiohttp
import click

CHANNELS = ("metrics", "alerts", "trades", "portfolio")


async def watch(url: str, api_key: str, channels: tuple[str, ...]) -> None:
    """Subscribe to `channels` and print every message until the server closes the socket."""
    async with (
        aiohttp.ClientSession(headers={"X-API-Key": api_key}) as session,
        session.ws_connect(f"{url.rstrip('/')}/ws") as socket,
    ):
        await socket.send_json({"type": "subscribe", "id": 1, "channels": channels})
        async for message in socket:
            print(message.data, flush=True)


@click.command()
@click.argument("url")
@click.option("--api-key", required=True, envvar="AP_API_KEY", help="A key with the view scopes.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    type=click.Choice(CHANNELS),
    default=CHANNELS,
    help="Repeatable; default: all channels.",
)
def main(url: str, api_key: str, channels: tuple[str, ...]) -> None:
    """Print every message of the socket of the dashboard at URL."""
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(watch(url, api_key, channels))
        except aiohttp.ClientError as error:
            raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
