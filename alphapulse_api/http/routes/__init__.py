"""The rows of the route table, one file a resource."""
