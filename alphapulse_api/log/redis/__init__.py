"""The event log on a Redis that several processes share."""
