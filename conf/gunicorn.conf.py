"""gunicorn for several workers that share one PostgreSQL and one Redis.

    AP_CONFIG=conf/production.yaml WEB_CONCURRENCY=4 gunicorn --config conf/gunicorn.conf.py

Address, port and logging come from the dashboard's own configuration. A worker is one process with
one event loop: as many as there are cores to spare for it.
"""

import asyncio
import os
from importlib.util import find_spec

import alphapulse_api.app  # noqa: F401  (here once, so that a worker is up as soon as it is forked)
from alphapulse_api.backend import Backend
from alphapulse_api.config import Config
from alphapulse_api.errors import ConfigError, StartupError
from alphapulse_api.logs import configure_logging

try:
    _config = Config.load()
except ConfigError as error:
    raise SystemExit(str(error)) from None

wsgi_app = "alphapulse_api.app:create_app()"
bind = (
    f"[{_config.host}]:{_config.port}" if ":" in _config.host else f"{_config.host}:{_config.port}"
)
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = (
    "aiohttp.GunicornUVLoopWebWorker" if find_spec("uvloop") else "aiohttp.GunicornWebWorker"
)

# Sockets are told to reconnect and have 5 s to go; a worker that does not answer for `timeout`
# seconds is killed and replaced.
graceful_timeout = 15
timeout = 30
# The dashboard writes its own access log; gunicorn's would hold every request twice.
accesslog = None
errorlog = "-"
# Signals are enough; a control socket in the home directory would be one more way in.
control_socket_disable = True

if workers > 1 and _config.events.type != "redis":
    raise SystemExit(
        "gunicorn.conf.py: several workers need events.type: redis, or a client of one worker "
        "hears nothing of what is written through another"
    )


def on_starting(server):
    """Bring the schema up to date, or end with one line if the workers could not start."""

    async def look():
        async with Backend(_config, {}, serve=False):
            pass

    try:
        asyncio.run(look())
    except (ConfigError, StartupError) as error:
        raise SystemExit(str(error)) from None


def pre_fork(server, worker):
    """Number the workers 1, 2, …; one that replaces a dead one takes over its number."""
    taken = {getattr(other, "number", None) for other in server.WORKERS.values()}
    worker.number = next(n for n in range(1, len(taken) + 2) if n not in taken)


def post_fork(server, worker):
    """Tell the process its number: /metrics and /api/system name it."""
    os.environ["AP_WORKER"] = str(worker.number)
    configure_logging(_config.logging)
