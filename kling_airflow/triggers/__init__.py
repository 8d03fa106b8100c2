"""Waiting for a request, in the triggerer."""
