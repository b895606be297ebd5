"""Who is calling, and may they: passwords, tokens, API keys, roles."""
