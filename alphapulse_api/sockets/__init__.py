"""The one multiplexed socket: protocol (no I/O), hub (who gets what), outbound, endpoint."""
