"""Messages that reach people: which receiver is told of which alert, when, and how."""
