"""The accessors of the tables, one file a resource."""
