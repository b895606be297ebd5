"""The servers under measurement, one file a peer, each run as its own process."""
