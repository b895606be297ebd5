"""What can be asked over HTTP: the table of routes, and the handlers, one file a resource."""
