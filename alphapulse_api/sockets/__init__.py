"""The multiplexed WebSocket: protocol (no I/O), connection, fan-out, registry, writer."""
