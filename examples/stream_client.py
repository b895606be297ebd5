"""Print the events of all channels; after a lost connection, reconnect and resume.

AP_API_KEY=apk_… python examples/stream_client.py http://127.0.0.1:8080
"""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

import aiohttp

CHANNELS = ("metrics", "alerts", "trades", "portfolio")


def show(event: dict[str, Any]) -> None:
    """One event as one line."""
    data = event["data"]
    line = {
        "metric": lambda: f"{data['metric_type']}.{data['name']} = {data['value']}",
        "alert": lambda: f"[{data['severity']}] {data['title']} ({data['status']})",
        "trade": lambda: f"{data['side']} {data['quantity']} {data['symbol']} at {data['price']}",
        "portfolio": lambda: f"worth {data['total_value']} {data['currency']}",
    }[event["type"]]()
    print(f"{event['channel']:<9} {line}", flush=True)


async def follow(url: str, key: str, count: int) -> None:
    """Print `count` events (0: endlessly), and resume after lost connections."""
    cursors: dict[str, str] = {}
    shown = 0
    async with aiohttp.ClientSession(headers={"X-API-Key": key}) as session:
        while True:
            try:
                async with session.ws_connect(f"{url}/ws", heartbeat=30) as ws:
                    # With the newest cursors the server replays what was missed. The first time
                    # there are none, and the server sends the current state instead.
                    await ws.send_json(
                        {
                            "type": "subscribe",
                            "channels": CHANNELS,
                            "since": cursors,
                            "snapshot": True,
                        }
                    )
                    async for frame in ws:
                        message = frame.json()
                        if message["type"] == "error":
                            raise SystemExit(message["message"])
                        if message["type"] == "heartbeat":
                            cursors.update(message["cursors"])
                        if "data" not in message:
                            continue
                        cursors[message["channel"]] = message["cursor"]
                        show(message)
                        shown += 1
                        if shown == count:
                            return
            except aiohttp.WSServerHandshakeError as error:
                raise SystemExit(f"refused: {error.status} {error.message}") from None
            except aiohttp.ClientError as error:
                print(f"connection lost: {error}", flush=True)
            await asyncio.sleep(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=0, help="events to show; 0: no limit")
    given = parser.parse_args()
    asyncio.run(follow(given.url.rstrip("/"), os.environ["AP_API_KEY"], given.count))
