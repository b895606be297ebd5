"""Print channels as JSON lines, and resume after a lost connection. Needs only `websockets`.

AP_API_KEY=apk_… python resuming_client.py ws://127.0.0.1:8080/ws trades alerts
"""

import asyncio
import json
import os
import random
import sys
from contextlib import suppress

from websockets import ConnectionClosed, connect


async def follow(url: str, channels: list[str]) -> None:
    cursors: dict[str, str] = {}
    key = {"X-API-Key": os.environ["AP_API_KEY"]}
    async for socket in connect(url, additional_headers=key):  # until the key is refused
        with suppress(ConnectionClosed):
            subscribe = {"type": "subscribe", "channels": channels, "since": cursors}
            await socket.send(json.dumps(subscribe))
            async for frame in socket:
                print(frame, flush=True)
                match message := json.loads(frame):
                    case {"type": "subscribed"}:  # `resumed` false: events are missing, read REST
                        cursors |= {name: m["cursor"] for name, m in message["channels"].items()}
                    case {"type": "heartbeat"}:
                        cursors |= message["cursors"]
                    case {"type": "error" | "unsubscribed"}:
                        break
                    case {"cursor": cursor}:
                        cursors[message["channel"]] = cursor
        await asyncio.sleep(1 + random.random())  # noqa: S311 (not all clients at once)


asyncio.run(follow(sys.argv[1], sys.argv[2:]))
