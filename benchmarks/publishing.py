"""The publishing loop that all socket servers of the benchmarks share."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from typing import Any

# There are up to two turns of the loop from the publishing call to the system call (ours collects
# for one, uvloop writes at the end of one); an empty turn costs microseconds.
TURNS = 3


def raise_file_limit() -> None:
    """Raise the limit of open files as far as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def resident() -> int:
    """The resident memory of this process, in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def left(transport: Any) -> None:
    """Wait until the kernel has all published bytes, so that they are not joined with the next."""
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
        limit: the maximum number of bursts.
        burst: events a turn.
        publish: publishes one event.
        transport: of one client, if known of the last one that is written to.

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
