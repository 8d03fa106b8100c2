"""A day in a few minutes: the real poller, ledger and rate limiter, with a simulated clock and network."""
