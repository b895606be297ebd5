"""Silences: listed, created, ended."""

from __future__ import annotations

from typing import Any

from alphapulse_api.domain.times import now
from alphapulse_api.http.route import Call
from alphapulse_api.record.completion import Stored
from alphapulse_api.schemas.loading import load
from alphapulse_api.schemas.silences import SilenceRequest

_REQUEST = SilenceRequest()


async def list_silences(call: Call) -> Any:
    """Silences, newest first."""
    return await call.view.silences.get_silences(**call.query)


async def get_silence(call: Call) -> Any:
    """One silence."""
    return await call.view.silences.get_silence(call.path["id"])


async def create_silence(call: Call) -> Any:
    """Tell nobody of some alerts for a while.

    An alert that is still open when the silence ends, and that nobody has acknowledged, is told
    then.
    """
    silence = load(_REQUEST, call.body)
    server_set = frozenset({"starts_at"} - set(silence))
    silence = {"starts_at": now(), **silence, "created_by": call.caller.username}
    stored, new = await call.view.silences.add_silence(
        silence, server_set=server_set, actor=call.actor
    )
    return Stored(stored, new)


async def end_silence(call: Call) -> Any:
    """End a silence now; one that is over stays as it is."""
    return await call.view.silences.end_silence(call.path["id"], actor=call.actor)
