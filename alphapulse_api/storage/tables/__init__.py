"""The tables, one file a resource."""
