"""Agents and their signals: listed and recorded."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def list_agents(call: Call) -> Any:
    """Agents, each with its newest 20 signals in the range."""
    return await call.view.agents.get_agents(**call.query)


async def get_agent(call: Call) -> Any:
    """An agent, with its newest 20 signals in the range."""
    return await call.view.agents.get_agent(call.path["id"], **call.query)


async def list_signals(call: Call) -> Any:
    """An agent's signals, newest first."""
    return await call.view.agents.get_signals(call.path["id"], **call.query)


async def export_signals(call: Call) -> Any:
    """Every signal of an agent that matches, in full, newest first, as a file."""
    agents = call.view.agents
    return await agents.get_signals(call.path["id"], **call.query, in_full=True)


async def get_signal(call: Call) -> Any:
    """One signal, with its thesis and what the agent saw."""
    return await call.view.agents.get_signal(call.path["id"], call.path["signal_id"])


async def get_track_record(call: Call) -> Any:
    """What the signals of an agent came to, by recorded prices, and whether that is chance.

    The figures are of signals received in the range whose horizon has ended; the verdict is on all
    until its end. docs/track-record.md defines each figure.
    """
    return await call.view.track_records.get_record(call.path["id"], **call.query)


async def put_agent(call: Call) -> Any:
    """Record the state of an agent; fields that are left out keep their values."""
    return await call.view.feed.update_agent(
        call.path["id"], call.body, precondition=call.precondition
    )


async def record_signal(call: Call) -> Any:
    """Record a signal; creates the agent if it is new."""
    return await call.view.feed.record_signal(call.path["id"], call.body)


async def record_signals_batch(call: Call) -> Any:
    """Record up to 10000 signals of an agent, and report the result of each."""
    feed = call.view.feed
    return await feed.record_signals_batch(call.path["id"], call.body, **call.query)
