"""A dashboard outside the host's event loop: in a process, or in a thread, of its own."""
