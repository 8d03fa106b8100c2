"""Operators: a picture made a frame, a clip ordered."""
