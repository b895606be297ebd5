"""A Model Context Protocol server: language models read the dashboard with the caller's rights."""
