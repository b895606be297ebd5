"""The HTTP interface: the route table, and the handlers, one file for each resource."""
