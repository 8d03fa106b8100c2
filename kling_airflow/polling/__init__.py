"""The shared wait: every request of a connection in one loop."""
