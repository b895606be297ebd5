"""The portfolio: snapshots, their positions as changes, and the history of its value."""
