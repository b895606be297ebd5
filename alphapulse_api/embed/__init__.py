"""A dashboard outside the host's event loop: in a separate process or thread."""
