"""The types of the fixtures in `conftest.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from kling_airflow.simulator import ManualClock, Simulator
from tests.simulator.client import Queue

Started: TypeAlias = Callable[..., tuple[Simulator, Queue]]
"""Starts a simulator with settings of its own; returns it with a client."""
Slow: TypeAlias = tuple[Simulator, Queue, ManualClock]
"""A simulator at the service's own speed, its client, and the clock that moves it."""
