"""The way of a write: validated, stored, published."""
