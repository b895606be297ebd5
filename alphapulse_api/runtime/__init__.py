"""What keeps a process running and observable."""
