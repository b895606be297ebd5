"""The ceiling: an aiohttp handler that answers bytes made beforehand, and does nothing else.

Only conditional requests get a 304, to show how much one can save at best.
"""

from __future__ import annotations

import asyncio
import sys

import orjson
import uvloop
from aiohttp import hdrs, web

from ..harness import announce
from ..points import PATH, read_points


async def main(directory: str) -> None:
    body = orjson.dumps(read_points(directory))

    async def handler(request: web.Request) -> web.Response:
        if hdrs.IF_NONE_MATCH in request.headers:
            return web.Response(status=304)
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get(PATH, handler)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    announce(runner.addresses[0][1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
