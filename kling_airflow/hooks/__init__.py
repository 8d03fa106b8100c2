"""A connection turned into clients."""
