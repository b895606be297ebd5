"""The console in a real browser: `tox -e browser`."""
