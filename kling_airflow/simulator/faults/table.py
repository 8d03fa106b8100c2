"""Every fault type by its name, in the order of the docs."""

from __future__ import annotations

from kling_airflow.simulator.faults import answer, connection, errors, lifecycle, list, media  # noqa: A004
from kling_airflow.simulator.faults.registry import REGISTERED

MODULES = (connection, errors, answer, lifecycle, list, media)
"""The modules that register fault types."""

FAULT_TYPES = {
    name: fault_type
    for module in MODULES
    for name, fault_type in REGISTERED.items()
    if fault_type.effect.__module__ == module.__name__
}
