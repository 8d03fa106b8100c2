"""Airflow's connections, as a command of the terminal finds them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def connections_of_the_database() -> Iterator[None]:
    """Let Airflow look for connections in its database too, as it does for its own commands."""
    name = "_AIRFLOW_PROCESS_CONTEXT"
    was = os.environ.get(name)
    os.environ[name] = "server"
    try:
        yield
    finally:
        os.environ.pop(name)
        if was is not None:
            os.environ[name] = was
