"""The gunicorn worker: `gunicorn -k alphapulse_api.http.server.gunicorn.Worker …`.

aiohttp's own worker would serve the application with aiohttp's own server.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.worker import GunicornUVLoopWebWorker, GunicornWebWorker

from alphapulse_api.http.server.runner import Runner
from alphapulse_api.runtime.tuning import freeze_heap

if TYPE_CHECKING:
    _Base = GunicornWebWorker
else:
    _Base = GunicornUVLoopWebWorker if find_spec("uvloop") else GunicornWebWorker


class _WorkerRunner(Runner):
    async def setup(self) -> None:
        await super().setup()
        freeze_heap()


class Worker(_Base):
    """One process with one event loop, on uvloop where it is installed."""

    wsgi: Any
    sockets: list[Any]

    async def _run(self) -> None:
        app = self.wsgi
        if isinstance(app, web.Application):

            async def runner() -> web.AppRunner:
                return _WorkerRunner(app, logger=self.log)

            self.wsgi = runner
        # Without gunicorn's wrapper: the loop closes the descriptor, and the wrapper would close it
        # again and log "Bad file descriptor".
        self.sockets = [listener.sock for listener in self.sockets]
        await super()._run()
