"""The schemas of the API: they validate input and describe output."""
