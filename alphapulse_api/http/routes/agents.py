"""Agents, their signals and their track records."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import agents, imports
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.agents import (
    Agent,
    AgentQuery,
    AgentRequest,
    AgentsQuery,
    AgentWithSignals,
)
from alphapulse_api.schemas.batches import BatchQuery, BatchResult
from alphapulse_api.schemas.imports import Imported, ImportedSignal
from alphapulse_api.schemas.queries import RecordQuery
from alphapulse_api.schemas.signals import (
    Signal,
    SignalInFull,
    SignalRequest,
    SignalsExport,
    SignalsQuery,
)
from alphapulse_api.schemas.track_record import TrackRecord, TrackRecordQuery

# fmt: off
ROWS: Final = (
    Row("GET", "/api/agents", "view_agents", agents.list_agents, query=AgentsQuery,
        answer=AgentWithSignals, many=True, resource="agents", range_of_rows=False,
        tag="agents", operation="listAgents"),
    Row("GET", "/api/agents/{id}", "view_agents", agents.get_agent, query=AgentQuery,
        answer=AgentWithSignals, resource="agents:agent_id={id}", range_of_rows=False,
        tag="agents", operation="getAgent", failures=(404,)),
    Row("GET", "/api/agents/{id}/signals", "view_agents", agents.list_signals,
        query=SignalsQuery, answer=Signal, many=True, resource="agents:book={book};agent_id={id}",
        tag="agents", operation="listSignals", failures=(404,)),
    Row("GET", "/api/agents/{id}/signals/export", "view_agents", agents.export_signals,
        query=SignalsExport, answer=SignalInFull, many=True, export=True, tag="agents",
        operation="exportSignals", failures=(404,)),
    Row("GET", "/api/agents/{id}/signals/{signal_id}", "view_agents", agents.get_signal,
        query=RecordQuery, answer=SignalInFull, every_book=True,
        resource="agents:book={book};agent_id={id}", tag="agents", operation="getSignal",
        failures=(404, 409)),
    # Not cached: the answer depends on prices, trades and the time.
    Row("GET", "/api/agents/{id}/record", "view_agents", agents.get_track_record,
        query=TrackRecordQuery, answer=TrackRecord, tag="agents", operation="getTrackRecord",
        failures=(404,)),
    Row("PUT", "/api/agents/{id}", PUBLISH, agents.put_agent, for_all_books=True, body=AgentRequest,
        answer=Agent, versioned=True, tag="agents", operation="updateAgent"),
    Row("POST", "/api/agents/{id}/signals", PUBLISH, agents.record_signal, body=SignalRequest,
        answer=Signal, status=201, located=True, repeats=True, tag="agents",
        operation="createSignal", failures=(409,)),
    Row("POST", "/api/agents/{id}/signals/batch", PUBLISH, agents.record_signals_batch,
        query=BatchQuery, body=SignalRequest, body_is_array=True, answer=BatchResult,
        tag="agents", operation="createSignals", failures=(409,)),
    Row("POST", "/api/agents/{id}/signals/import", PUBLISH, imports=imports.import_signals,
        body=ImportedSignal, body_in_lines=True, answer=Imported, tag="agents",
        operation="importSignals", failures=(409,)),
)
# fmt: on
