"""The formats in which rows are sent and received."""
