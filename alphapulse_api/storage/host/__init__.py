"""Adapters: a host's own accessor as a store of ours."""
