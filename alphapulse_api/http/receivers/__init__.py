"""What other systems send: metrics in their protocols, and webhooks."""
