"""The measured servers, one file each; each runs as a separate process."""
