"""The trigger that waits for a request, and its metrics."""
