"""Waiting for a request, as a task."""
