"""gunicorn for several workers that share one PostgreSQL and one Redis.

    AP_CONFIG=conf/production.yaml WEB_CONCURRENCY=4 gunicorn --config conf/gunicorn.conf.py

Address, port and logging come from the dashboard's own configuration. A worker is one process with
one event loop; run as many as there are cores to spare.
"""

import asyncio
import os
from math import ceil

from alphapulse_api.app import create_app  # imported once, before the workers are forked
from alphapulse_api.auth.opening import open_accounts
from alphapulse_api.backend import Backend
from alphapulse_api.config import Config
from alphapulse_api.domain.errors import ConfigError, StartupError, Unavailable
from alphapulse_api.runtime.logs import configure_logging
from alphapulse_api.runtime.tuning import tune

RELOAD_SECONDS = 10.0  # for the checks of a reload, during which the master does nothing else

workers = int(os.environ.get("WEB_CONCURRENCY", "2"))


def _load():
    config = Config.load()
    if workers > 1 and config.database.url.startswith("sqlite:"):
        raise ConfigError(
            "gunicorn.conf.py: only one worker can serve an SQLite file; set WEB_CONCURRENCY=1, or "
            "set database.url to PostgreSQL"
        )
    if workers > 1 and config.events.type != "redis":
        raise ConfigError(
            "gunicorn.conf.py: several workers need events.type: redis; otherwise a client of one "
            "worker misses what is written through another"
        )
    return config


try:
    _config = _load()
except ConfigError as error:
    raise SystemExit(str(error)) from None

wsgi_app = "alphapulse_api.app:create_app()"
bind = (
    f"[{_config.host}]:{_config.port}" if ":" in _config.host else f"{_config.host}:{_config.port}"
)
# The dashboard's own worker: its limits, time-outs and answers to requests it cannot parse.
worker_class = "alphapulse_api.http.server.gunicorn.Worker"

# The dashboard ends within its `shutdown_timeout`. A worker that does not is killed, and so is one
# that does not respond for `timeout` seconds.
graceful_timeout = ceil(_config.shutdown_timeout) + 10
timeout = 30
# The dashboard writes its own access log; gunicorn's would log every request twice.
accesslog = None
errorlog = "-"
# Signals are enough; a control socket would only add an attack surface.
control_socket_disable = True


async def _prepare(config):
    """Do once what every worker would do: migrate the database, check Redis, create `admin`."""
    backend = Backend(config, {})
    await backend.engine.open()
    try:
        await backend.links.open()
        await open_accounts(backend.engine, config, first_user=True)
    except Unavailable as error:
        raise StartupError(str(error)) from None
    finally:
        await backend.links.close()
        await backend.engine.close()


def on_starting(server):
    """Prepare the workers' database and Redis, or end with one line if they could not start."""
    configure_logging(_config.logging)
    try:
        asyncio.run(_prepare(_config))
    except (ConfigError, StartupError) as error:
        raise SystemExit(str(error)) from None
    # gunicorn's own reload stops the whole server if the new configuration cannot be read, and
    # stops the old workers before it is known that new ones can start.
    server.handle_hup = lambda: _reload(server)


def _reload(server):
    """Apply the new configuration, or keep the old one and its workers if it cannot be used."""

    async def prepare(config):
        async with asyncio.timeout(RELOAD_SECONDS):
            await _prepare(config)

    try:
        asyncio.run(prepare(_load()))
    except TimeoutError:
        server.log.error("not reloaded: the database or redis does not answer")
    except (ConfigError, StartupError) as error:
        server.log.error("not reloaded: %s", error)
    except Exception:
        # A bug. Raised in the master, it would stop workers that still serve.
        server.log.exception("not reloaded")
    else:
        type(server).handle_hup(server)


def pre_fork(server, worker):
    """Number the workers 1, 2, …; one that replaces a dead one takes over its number."""
    # Workers from before a reload have another configuration, and are about to end.
    taken = {other.number for other in server.WORKERS.values() if other.cfg is worker.cfg}
    worker.number = next(n for n in range(1, len(taken) + 2) if n not in taken)


def post_fork(server, worker):
    """Set the number of the process, which /metrics and /api/system show."""
    os.environ["AP_WORKER"] = str(worker.number)
    configure_logging(_config.logging)
    tune()
    # Use the configuration that the master read: the file may be half edited by now.
    worker.app.callable = create_app(_config)


def post_worker_init(worker):
    """Keep a worker alive while it waits for its database, until the master ends it.

    aiohttp's own worker notifies the master, and handles its signals, only once it has started.
    """

    async def beat():
        while worker.alive and worker.ppid == os.getppid():
            worker.notify()
            await asyncio.sleep(1)
        os._exit(0)  # nothing is open yet

    beating = worker.loop.create_task(beat())

    async def up(_):
        beating.cancel()

    worker.wsgi.on_startup.append(up)
