"""The path of a write: validate, store, publish."""
