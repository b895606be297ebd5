"""The publishing loop that all socket servers of the benchmarks share."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from typing import Any

# From the publishing call to the system call there are up to two turns of the loop (ours gathers
# for one, uvloop writes at the end of one); a turn with nothing in it costs microseconds.
TURNS = 3


def raise_file_limit() -> None:
    """As many sockets as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def resident() -> int:
    """Bytes of memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def left(transport: Any) -> None:
    """Wait until what was published is with the kernel: then nothing can gather with the next."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
    while transport.get_write_buffer_size():
        await asyncio.sleep(0)


async def publish_for(
    seconds: float,
    limit: int | None,
    burst: int,
    publish: Callable[[], Awaitable[None]],
    transport: Any,
) -> dict[str, Any]:
    """Publish bursts, each once the one before has left.

    Args:
        seconds: how long.
        limit: no more bursts than so many.
        burst: events a turn.
        publish: publishes one event.
        transport: of one of the clients, the last to be written to where that is known.

    Returns:
        Events, seconds, and seconds of CPU time of this process.
    """
    events = 0
    begin, cpu = time.perf_counter(), time.process_time()
    end = begin + seconds
    while time.perf_counter() < end and events != limit:
        for _ in range(burst):
            await publish()
        events += burst
        await left(transport)
    return {
        "events": events,
        "seconds": time.perf_counter() - begin,
        "cpu": time.process_time() - cpu,
    }


async def publish_at(
    rate: float, seconds: float, publish: Callable[[int], Awaitable[Any]]
) -> dict[str, Any]:
    """Publish at a fixed rate, whether or not the ones before are done.

    Args:
        rate: events a second.
        seconds: how long.
        publish: given the time (CLOCK_MONOTONIC, ns) that the event is to carry.

    Returns:
        Events, the seconds until the last was published, and seconds of CPU time.
    """
    tasks = []
    cpu = time.process_time()
    begin = time.monotonic()
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
        tasks.append(asyncio.create_task(_stamped(publish)))
    await asyncio.gather(*tasks)
    return {
        "events": len(tasks),
        "seconds": time.monotonic() - begin,
        "cpu": time.process_time() - cpu,
    }


async def _stamped(publish: Callable[[int], Awaitable[Any]]) -> None:
    await publish(time.monotonic_ns())
