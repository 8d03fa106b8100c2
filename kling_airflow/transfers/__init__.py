"""Transfers: a clip brought from the queue into your own store."""
